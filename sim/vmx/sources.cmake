# SPDX-License-Identifier: MIT
set(VTLESS_SIM_VMX_SOURCES
  vmx/capability.cc
  vmx/entry_checks_controls.cc
  vmx/entry_checks_guest_nonregister.cc
  vmx/entry_checks_guest_registers.cc
  vmx/entry_checks_guest_segments.cc
  vmx/entry_checks_host.cc
  vmx/vmcs_layout.cc
  vmx/vmcs_store.cc
  vmx/vmx_operation.cc)
