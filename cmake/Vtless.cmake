# SPDX-License-Identifier: MIT
# What every target of ours shares: language level, warnings, include root.
add_library(vtless_options INTERFACE)
target_compile_features(vtless_options INTERFACE cxx_std_20)
# No vectors of neighbouring fields: an exit writes fields one by one and reads them soon after, and a load that spans
# two stores waits until both have left the store buffer.
target_compile_options(vtless_options INTERFACE -fno-tree-slp-vectorize
  -Wall -Wextra -Wconversion -Wshadow $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>
  $<$<BOOL:${VTLESS_WERROR}>:-Werror>)

# vtless_library(NAME folder-name SOURCES... ) makes the target vtless_NAME, alias vtless::NAME.
# Headers are included from the repository's root: "isa/x86/ept.h".
function(vtless_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  if(arg_SOURCES)
    add_library(vtless_${name} STATIC ${arg_SOURCES})
    set(visibility PUBLIC)
    target_link_libraries(vtless_${name} PRIVATE $<BUILD_INTERFACE:vtless_options> ${arg_PRIVATE_DEPENDS})
    # Fit for a shared library (capi), at no cost elsewhere: references stay within whatever they are linked into.
    set_target_properties(vtless_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON
      CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    # Nothing may unwind through Unicorn's C frames.
    target_compile_options(vtless_${name} PRIVATE -fno-exceptions
      $<$<BOOL:${VTLESS_LTO}>:-flto=auto -ffat-lto-objects>)
  else()
    add_library(vtless_${name} INTERFACE)
    set(visibility INTERFACE)
  endif()
  add_library(vtless::${name} ALIAS vtless_${name})
  target_compile_features(vtless_${name} ${visibility} cxx_std_20)
  target_include_directories(vtless_${name} ${visibility}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:include/vtless>)
  target_link_libraries(vtless_${name} ${visibility} ${arg_DEPENDS})
  set_target_properties(vtless_${name} PROPERTIES EXPORT_NAME ${name})
  vtless_install_library(${name})
endfunction()

# What is to be fast is optimised as a whole: a VM exit is many small functions of several folders. The archives
# hold ordinary code as well, so that everything else, and whoever links an installed one, is built as ever.
function(vtless_whole_program_optimisation target)
  if(VTLESS_LTO)
    target_compile_options(${target} PRIVATE -flto=auto)
    # In one piece: cut into partitions, a call across them is a call at each exit.
    target_link_options(${target} PRIVATE -flto=auto -flto-partition=one)
  endif()
endfunction()

# vtless_test(NAME SOURCES... DEPENDS... [LABEL unit|engine|guest|...]) makes a GoogleTest program. With
# [FILTER PATTERN] only the tests that it matches are ctest's; vtless_more_tests() adds the others.
function(vtless_test name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT;FILTER" "SOURCES;DEPENDS" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE vtless_options ${arg_DEPENDS} GTest::gmock GTest::gtest_main)
  if(VTLESS_LTO)
    target_link_options(${name} PRIVATE -fno-lto)  # the archives' ordinary code will do
  endif()
  if(NOT arg_FILTER)
    set(arg_FILTER *)
  endif()
  vtless_more_tests(${name} LABEL ${arg_LABEL} FILTER ${arg_FILTER} TIMEOUT ${arg_TIMEOUT})
endfunction()

# Tests of a program that vtless_test() made, under a label of their own.
function(vtless_more_tests name)
  cmake_parse_arguments(arg "" "FILTER;TIMEOUT;LABEL" "" ${ARGN})
  gtest_discover_tests(${name} TEST_FILTER ${arg_FILTER} DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT})
endfunction()
