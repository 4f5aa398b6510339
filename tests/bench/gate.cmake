# SPDX-License-Identifier: MIT
# The benchmarks count what bench/baseline.json says, as a pull request's CI would ask.
execute_process(COMMAND ${BENCH} --benchmark_filter=^exact/ --benchmark_min_time=0.001 --benchmark_out=${RESULT}
  OUTPUT_QUIET ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${VTLESS} bench compare ${BASELINE} ${RESULT} COMMAND_ERROR_IS_FATAL ANY)
