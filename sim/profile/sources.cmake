# SPDX-License-Identifier: MIT
set(VTLESS_SIM_PROFILE_SOURCES
  profile/address_profile.cc
  profile/cycle_profile.cc)
