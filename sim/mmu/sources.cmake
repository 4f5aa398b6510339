# SPDX-License-Identifier: MIT
set(VTLESS_SIM_MMU_SOURCES mmu/host_memory.cc mmu/mmu.cc mmu/tlb.cc mmu/walker.cc)
