# SPDX-License-Identifier: MIT
# The packages the build stands on, each with a message that says exactly what to install.

# vtless_require(PACKAGE VERSION "what to install"): find_package that fails in words a newcomer can act on.
macro(vtless_require package version remedy)
  find_package(${package} ${version})
  if(NOT ${package}_FOUND)
    set(vtless_found "found none")
    if(${package}_VERSION)
      set(vtless_found "found only ${${package}_VERSION}")
    endif()
    message(FATAL_ERROR "vtless needs ${package} >= ${version}; ${vtless_found}.\n"
      "On Debian run scripts/setup. Elsewhere install ${remedy}, "
      "and if it is in a place of its own name that: -DCMAKE_PREFIX_PATH=DIR.")
  endif()
endmacro()

vtless_require(Unicorn 2.1.2 "the Unicorn engine 2.1.2 or newer with its headers (unicorn-engine.org)")
vtless_require(Capstone 5.0 "Capstone 5.0 or newer with its headers (capstone-engine.org)")
vtless_require(CLI11 2.1 "CLI11 2.1 or newer (libcli11-dev, cli11-devel)")
vtless_require(fmt 9 "the fmt library 9 or newer with its headers (libfmt-dev, fmt-devel)")
vtless_require(tomlplusplus 3.0 "toml++ 3 (libtomlplusplus-dev, tomlplusplus-devel)")
if(VTLESS_TESTS)
  vtless_require(GTest 1.12 "GoogleTest with gmock (libgtest-dev libgmock-dev, gtest-devel gmock-devel)")
endif()
if(VTLESS_BENCH)
  vtless_require(benchmark 1.7 "Google Benchmark (libbenchmark-dev, google-benchmark-devel)")
endif()

# A compiler cache makes rebuilds quick; a machine without one is fine.
find_program(VTLESS_COMPILER_CACHE NAMES sccache ccache)
if(VTLESS_COMPILER_CACHE AND PROJECT_IS_TOP_LEVEL)
  foreach(language C CXX)
    if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER ${VTLESS_COMPILER_CACHE})
    endif()
  endforeach()
endif()
