# SPDX-License-Identifier: MIT
set(VTLESS_SIM_SANITIZER_SOURCES
  sanitizer/event_rules.cc
  sanitizer/exit_rules.cc
  sanitizer/field_rules.cc
  sanitizer/rule.cc
  sanitizer/sanitizer.cc
  sanitizer/tlb_rules.cc
  sanitizer/vmcs_rules.cc
  sanitizer/vmx_watch.cc)
