# SPDX-License-Identifier: MIT
# `cmake --install`: libraries, headers, the command, and a CMake package with one component for each library.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(VTLESS_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/vtless)
# What is installed finds the Unicorn it was linked with, wherever that is: in .deps too, which CMake would leave out
# of the link path as a part of the source tree.
foreach(library ${Unicorn_LIBRARY} ${Capstone_LIBRARY})
  get_filename_component(directory ${library} DIRECTORY)
  if(NOT directory IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
    list(APPEND CMAKE_INSTALL_RPATH ${directory})
  endif()
endforeach()
list(REMOVE_DUPLICATES CMAKE_INSTALL_RPATH)

function(vtless_install_library name)
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  install(TARGETS vtless_${name} EXPORT vtless_${name} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT vtless_${name} NAMESPACE vtless:: FILE vtless-${name}.cmake DESTINATION ${VTLESS_PACKAGE_DIR})
  install(DIRECTORY ./ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/vtless/${folder} FILES_MATCHING PATTERN "*.h")
  set_property(GLOBAL APPEND PROPERTY VTLESS_LIBRARIES ${name})
endfunction()

# libvtless and its header, for CMake and, by pkg-config, for everybody else.
function(vtless_install_capi)
  install(TARGETS vtless_capi EXPORT vtless_capi LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT vtless_capi NAMESPACE vtless:: FILE vtless-capi.cmake DESTINATION ${VTLESS_PACKAGE_DIR})
  install(FILES ${PROJECT_SOURCE_DIR}/include/vtless/vmx.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/vtless)
  set_property(GLOBAL APPEND PROPERTY VTLESS_LIBRARIES capi)
  set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  file(RELATIVE_PATH VTLESS_PC_TO_PREFIX /${pc_dir} /)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/vtless.pc.in vtless.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vtless.pc DESTINATION ${pc_dir})
endfunction()

# What each library stands on, as vtlessConfig.cmake reads it: other components, and packages to be found.
function(vtless_component_table out)
  get_property(libraries GLOBAL PROPERTY VTLESS_LIBRARIES)
  set(table "")
  foreach(name ${libraries})
    get_target_property(linked vtless_${name} INTERFACE_LINK_LIBRARIES)
    string(REGEX MATCHALL "[A-Za-z0-9_]+::[A-Za-z0-9_]+" linked "${linked}")
    set(components ${linked})
    list(FILTER components INCLUDE REGEX "^vtless::")
    list(TRANSFORM components REPLACE "^vtless::" "")
    set(packages ${linked})
    list(FILTER packages EXCLUDE REGEX "^vtless::")
    list(TRANSFORM packages REPLACE "::.*" "")
    string(APPEND table "set(vtless_${name}_components ${components})\nset(vtless_${name}_packages ${packages})\n")
  endforeach()
  set(${out} "${table}" PARENT_SCOPE)
endfunction()

function(vtless_install_package)
  if(TARGET vtless)
    install(TARGETS vtless RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
  vtless_component_table(VTLESS_COMPONENT_TABLE)
  get_property(VTLESS_COMPONENTS GLOBAL PROPERTY VTLESS_LIBRARIES)
  list(JOIN VTLESS_COMPONENTS ", " VTLESS_COMPONENTS)
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/vtlessConfig.cmake.in
    ${PROJECT_BINARY_DIR}/vtlessConfig.cmake INSTALL_DESTINATION ${VTLESS_PACKAGE_DIR})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/vtlessConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES
    ${PROJECT_BINARY_DIR}/vtlessConfig.cmake ${PROJECT_BINARY_DIR}/vtlessConfigVersion.cmake
    ${PROJECT_SOURCE_DIR}/cmake/FindUnicorn.cmake ${PROJECT_SOURCE_DIR}/cmake/FindCapstone.cmake
    DESTINATION ${VTLESS_PACKAGE_DIR})
endfunction()
