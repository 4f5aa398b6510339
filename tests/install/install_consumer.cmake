# SPDX-License-Identifier: MIT
# Installs this build into a prefix of its own, and builds and runs a project that knows only that prefix.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: status ${status}\n${said}")
  endif()
  set(said "${said}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${SCRATCH})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/prefix)
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${SCRATCH}/build -G Ninja
  -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_PREFIX_PATH=${SCRATCH}/prefix
  -D CMAKE_DISABLE_FIND_PACKAGE_Unicorn=ON -D CMAKE_DISABLE_FIND_PACKAGE_Capstone=ON
  -D CMAKE_DISABLE_FIND_PACKAGE_fmt=ON)
run(${CMAKE_COMMAND} --build ${SCRATCH}/build)
run(${SCRATCH}/build/consumer)
if(NOT said MATCHES "called and halted")
  message(FATAL_ERROR "the consumer printed '${said}'")
endif()

# A component that is there but stands on something missing, and one that is not there at all.
foreach(component sim no-such-thing)
  file(WRITE ${SCRATCH}/${component}/CMakeLists.txt
    "cmake_minimum_required(VERSION 3.20)\nproject(x LANGUAGES CXX)\nfind_package(vtless REQUIRED COMPONENTS ${component})\n")
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S ${SCRATCH}/${component} -B ${SCRATCH}/${component}/build -G Ninja
      -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_PREFIX_PATH=${SCRATCH}/prefix -D CMAKE_DISABLE_FIND_PACKAGE_Unicorn=ON
    RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(status EQUAL 0)
    message(FATAL_ERROR "component ${component} was found without what it needs")
  endif()
endforeach()
