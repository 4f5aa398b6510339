# SPDX-License-Identifier: MIT
# A machine without the right Unicorn or Capstone is told exactly that, at configure time.

# expect_error(NAME "text" OPTION...): configuring with these options fails and says the text.
function(expect_error name text)
  file(REMOVE_RECURSE ${SCRATCH}/${name})
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${SCRATCH}/${name} -G Ninja -D DEPS_PREFIX=${DEPS_PREFIX} ${ARGN}
    RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(status EQUAL 0)
    message(FATAL_ERROR "${name}: configuring should have failed")
  endif()
  string(REGEX REPLACE "[ \n]+" " " said "${said}")
  string(FIND "${said}" "${text}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${name}: expected '${text}' in:\n${said}")
  endif()
endfunction()

# fake_prefix(NAME header "defines"...): a prefix with a library and a header of another version.
function(fake_prefix name header)
  list(JOIN ARGN "\n" text)
  file(WRITE ${SCRATCH}/${name}-prefix/include/${name}/${header} "${text}\n")
  file(WRITE ${SCRATCH}/${name}-prefix/lib/lib${name}.so "")
endfunction()

fake_prefix(unicorn unicorn.h "#define UC_API_MAJOR 2" "#define UC_API_MINOR 1" "#define UC_API_PATCH 1")
fake_prefix(capstone capstone.h "#define CS_API_MAJOR 4" "#define CS_API_MINOR 0" "#define CS_VERSION_EXTRA 2")

expect_error(no-unicorn "vtless needs Unicorn >= 2.1.2; found none." -D CMAKE_DISABLE_FIND_PACKAGE_Unicorn=ON)
expect_error(no-capstone "vtless needs Capstone >= 5.0; found none." -D CMAKE_DISABLE_FIND_PACKAGE_Capstone=ON)
expect_error(what-to-do "On Debian run scripts/setup. Elsewhere install the Unicorn engine 2.1.2 or newer"
  -D CMAKE_DISABLE_FIND_PACKAGE_Unicorn=ON)
expect_error(old-unicorn "vtless needs Unicorn >= 2.1.2; found only 2.1.1."
  -D DEPS_PREFIX=${SCRATCH}/unicorn-prefix)
expect_error(old-capstone "vtless needs Capstone >= 5.0; found only 4.0.2."
  -D Capstone_INCLUDE_DIR=${SCRATCH}/capstone-prefix/include
  -D Capstone_LIBRARY=${SCRATCH}/capstone-prefix/lib/libcapstone.so)
