# SPDX-License-Identifier: MIT
set(VTLESS_SIM_ENGINE_SOURCES
  engine/carried_out.cc
  engine/code_map.cc
  engine/cpu_state.cc
  engine/engine.cc
  engine/guest_mode.cc
  engine/hooks.cc
  engine/instruction_decoder.cc
  engine/restarts.cc
  engine/stepping.cc
  engine/stops.cc
  engine/unicorn.cc
  engine/version.cc
  time/cycle_costs.cc)
