# SPDX-License-Identifier: MIT
cmake_minimum_required(VERSION 3.25)
# cmake -D NM=nm -D OBJECT=file -P check_freestanding.cmake: fails if the object has no code or needs a symbol
# that a freestanding environment does not have (allocation, exceptions, RTTI, libc).
foreach(kind --defined-only --undefined-only)
  execute_process(COMMAND ${NM} --format=posix ${kind} ${OBJECT}
    OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
  if(status)
    message(FATAL_ERROR "${NM} failed on ${OBJECT}")
  endif()
  string(REGEX REPLACE " [^\n]*\n" ";" symbols "${symbols}")
  if(kind STREQUAL "--defined-only" AND NOT symbols)
    message(FATAL_ERROR "${OBJECT} defines nothing")
  endif()
endforeach()
list(FILTER symbols EXCLUDE REGEX "^(memcpy|memmove|memset|memcmp|_GLOBAL_OFFSET_TABLE_|)$")
if(symbols)
  message(FATAL_ERROR "${OBJECT} needs: ${symbols}")
endif()
