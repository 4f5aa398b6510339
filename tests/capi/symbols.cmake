# SPDX-License-Identifier: MIT
# The library shows the functions of symbols.txt, and nothing else. -D NM -D LIBRARY -D LIST
execute_process(COMMAND ${NM} --dynamic --defined-only --extern-only ${LIBRARY}
  RESULT_VARIABLE status OUTPUT_VARIABLE said)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${NM} ${LIBRARY}: status ${status}")
endif()
string(REGEX MATCHALL "[^\n]+" lines "${said}")
set(found "")
foreach(line IN LISTS lines)
  string(REGEX REPLACE "^[0-9a-f]* *([A-Za-z]) ([^@]*)@*.*$" "\\1 \\2" symbol "${line}")
  if(NOT symbol STREQUAL "A VTLESS_1.0")  # the version itself
    list(APPEND found "${symbol}")
  endif()
endforeach()
file(STRINGS ${LIST} wanted)
list(TRANSFORM wanted PREPEND "T ")
list(SORT found)
list(SORT wanted)
if(NOT found STREQUAL wanted)
  list(JOIN found "\n  " found)
  message(FATAL_ERROR "${LIBRARY} does not show what ${LIST} lists, but\n  ${found}")
endif()
