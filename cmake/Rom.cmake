# SPDX-License-Identifier: MIT
# vtless_rom(NAME SOURCE...) makes the target NAME_rom, whose property VTLESS_ROM is the path of the image: 128 KiB
# that Bochs and `vtless machine` start at the reset vector. SOURCEs begin at main_64() (samples/rom).
# By hand: no flag that suits a program of this machine suits a ROM.
function(vtless_rom name)
  set(rom ${CMAKE_CURRENT_BINARY_DIR}/${name}.rom)
  set(elf ${CMAKE_CURRENT_BINARY_DIR}/${name}.elf)
  set(start ${PROJECT_SOURCE_DIR}/samples/rom)
  set(script ${start}/link.ld)
  list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ REGEX "^[^/]" OUTPUT_VARIABLE sources)
  list(APPEND sources ${start}/start.S ${start}/output.cc ${start}/runtime.cc)
  set(folders ${start} ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/image)
  list(APPEND folders ${PROJECT_SOURCE_DIR}/samples/hypervisor)
  list(APPEND folders ${PROJECT_SOURCE_DIR}/isa ${PROJECT_SOURCE_DIR}/isa/x86)
  list(APPEND folders ${PROJECT_SOURCE_DIR}/vcpu ${PROJECT_SOURCE_DIR}/vcpu/vmx)
  list(TRANSFORM folders APPEND "/*.[hi]*")
  file(GLOB headers CONFIGURE_DEPENDS ${folders})
  add_custom_command(
    OUTPUT ${rom}
    COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 -Os -ffreestanding -fno-exceptions -fno-rtti -fno-pic -mno-red-zone
      -mno-mmx -mno-sse -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none
      -fno-threadsafe-statics -I${PROJECT_SOURCE_DIR}
      -Wall -Wextra -Wconversion -Wshadow -Wold-style-cast -nostdlib -static -Wl,-T,${script}
      -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -o ${elf} ${sources}
    COMMAND ${CMAKE_OBJCOPY} -O binary -j .text -j .start -j .reset ${elf} ${rom}
    DEPENDS ${sources} ${headers} ${script}
    COMMENT "Building the ROM ${name}"
    VERBATIM)
  add_custom_target(${name}_rom ALL DEPENDS ${rom})
  set_target_properties(${name}_rom PROPERTIES VTLESS_ROM ${rom})
endfunction()
