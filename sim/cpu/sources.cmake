# SPDX-License-Identifier: MIT
set(VTLESS_SIM_CPU_SOURCES cpu/event_delivery.cc cpu/operation.cc)
