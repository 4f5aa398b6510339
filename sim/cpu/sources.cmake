# SPDX-License-Identifier: MIT
set(VTLESS_SIM_CPU_SOURCES
  cpu/compare_exchange.cc
  cpu/control_registers.cc
  cpu/descriptor_tables.cc
  cpu/event_delivery.cc
  cpu/far_transfer.cc
  cpu/fast_calls.cc
  cpu/flags.cc
  cpu/io_permission.cc
  cpu/iret.cc
  cpu/operand.cc
  cpu/operation.cc
  cpu/software_interrupt.cc
  cpu/switch_task.cc
  cpu/task_switch.cc
  cpu/text_comparison.cc)
