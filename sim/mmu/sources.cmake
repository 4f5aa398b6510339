# SPDX-License-Identifier: MIT
set(VTLESS_SIM_MMU_SOURCES
  mmu/data_watch.cc
  mmu/host_memory.cc
  mmu/mmu.cc
  mmu/nested_walk.cc
  mmu/page_modification_log.cc
  mmu/refused_walk.cc
  mmu/strict_tlb.cc
  mmu/strict_tlb_check.cc
  mmu/tlb.cc
  mmu/usual_walk.cc
  mmu/walker.cc)
