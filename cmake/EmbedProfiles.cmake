# SPDX-License-Identifier: MIT
# Writes a C++ source whose function, declared in vmm/embedded_profiles.h, gives the files' texts; a changed file makes the
# build configure again.
function(vtless_embed_profiles function output)
  set(entries "")
  foreach(file IN LISTS ARGN)
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} text)
    string(APPEND entries "    {\"${name}\", R\"json(${text})json\"},\n")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  endforeach()
  set(source "// Made by cmake/EmbedProfiles.cmake.
#include \"vmm/embedded_profiles.h\"

namespace vtless::vmm {
namespace {
constexpr EmbeddedProfile kProfiles[] = {
${entries}};
}  // namespace
std::span<const EmbeddedProfile> ${function}() { return kProfiles; }
}  // namespace vtless::vmm
")
  file(CONFIGURE OUTPUT ${output} CONTENT "${source}" @ONLY)
endfunction()
