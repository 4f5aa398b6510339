# SPDX-License-Identifier: MIT
# Installs this build into a prefix of its own, and builds and runs projects that know only that prefix.

# run(COMMAND...): fails with all it printed; `said` is that otherwise.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: status ${status}\n${said}")
  endif()
  set(said "${said}" PARENT_SCOPE)
endfunction()

# project_using(NAME "components"): a program linked with these components, and nothing of its own.
function(project_using name components)
  string(REGEX REPLACE "([^ ]+)" "vtless::\\1" targets "${components}")
  file(WRITE ${SCRATCH}/${name}/main.cc "int main() {}\n")
  file(WRITE ${SCRATCH}/${name}/CMakeLists.txt
    "cmake_minimum_required(VERSION 3.20)\nproject(${name} LANGUAGES CXX)\n"
    "find_package(vtless REQUIRED COMPONENTS ${components})\n"
    "add_executable(${name} main.cc)\ntarget_link_libraries(${name} PRIVATE ${targets})\n")
endfunction()

file(REMOVE_RECURSE ${SCRATCH})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/prefix)
set(configure ${CMAKE_COMMAND} -G Ninja -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=${COMPILER}
  -D CMAKE_CXX_FLAGS=${FLAGS})
set(installed -D CMAKE_PREFIX_PATH=${SCRATCH}/prefix)
set(no_packages -D CMAKE_DISABLE_FIND_PACKAGE_Unicorn=ON -D CMAKE_DISABLE_FIND_PACKAGE_Capstone=ON
  -D CMAKE_DISABLE_FIND_PACKAGE_fmt=ON)

run(${configure} ${installed} ${no_packages} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${SCRATCH}/build)
run(${CMAKE_COMMAND} --build ${SCRATCH}/build)
run(${SCRATCH}/build/consumer)
if(NOT said MATCHES "called and halted")
  message(FATAL_ERROR "the consumer printed '${said}'")
endif()

run(${SCRATCH}/prefix/bin/vtless --version)

# In C: by the package, and by pkg-config with a compiler alone.
set(c_source ${CMAKE_CURRENT_LIST_DIR}/c_consumer)
run(${CMAKE_COMMAND} -G Ninja -D CMAKE_BUILD_TYPE=Release -D CMAKE_C_COMPILER=${C_COMPILER} -D CMAKE_C_FLAGS=${C_FLAGS}
  ${installed} ${no_packages} -S ${c_source} -B ${SCRATCH}/c_build)
run(${CMAKE_COMMAND} --build ${SCRATCH}/c_build)
run(${SCRATCH}/c_build/c_consumer)
if(NOT said MATCHES "in VMX operation and out")
  message(FATAL_ERROR "the consumer in C printed '${said}'")
endif()
find_program(PKG_CONFIG pkg-config)
if(PKG_CONFIG)
  file(GLOB_RECURSE pc ${SCRATCH}/prefix/*/vtless.pc)
  run(${PKG_CONFIG} --cflags --libs ${pc})
  separate_arguments(flags UNIX_COMMAND "${said}")
  list(FILTER flags INCLUDE REGEX "^-L")
  string(REGEX REPLACE "^-L" "" libraries "${flags}")
  separate_arguments(flags UNIX_COMMAND "${said}")
  separate_arguments(c_flags UNIX_COMMAND "${C_FLAGS}")
  run(${C_COMPILER} ${c_flags} -o ${SCRATCH}/by_pkg_config ${c_source}/c_consumer.c ${flags} -Wl,-rpath,${libraries})
  run(${SCRATCH}/by_pkg_config)
endif()

# Each component brings what it stands on, where that is to be had.
project_using(everything "${COMPONENTS}")
run(${configure} "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix\;${DEPS_PREFIX}"
  -S ${SCRATCH}/everything -B ${SCRATCH}/everything/build)
run(${CMAKE_COMMAND} --build ${SCRATCH}/everything/build)
run(${SCRATCH}/everything/build/everything)

# One that does not exist is refused.
project_using(missing no-such-component)
execute_process(COMMAND ${configure} ${installed} -S ${SCRATCH}/missing -B ${SCRATCH}/missing/build
  RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(status EQUAL 0 OR NOT said MATCHES "vtless has no component no-such-component")
  message(FATAL_ERROR "a component that does not exist was found:\n${said}")
endif()
