-- simd.sql: vector instructions
CREATE FUNCTION strata.simd_features(
  OUT level text, OUT vector_width int, OUT setting text, OUT best_level text,
  OUT sse42 bool, OUT avx2 bool, OUT avx512f bool, OUT avx512bw bool, OUT avx512dq bool, OUT avx512vl bool,
  OUT avx512vbmi bool, OUT avx512vpopcntdq bool)
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'strata_simd_features';
COMMENT ON FUNCTION strata.simd_features() IS 'Level and width in bits of the vector instructions in use, the setting strata.simd, the best level possible here, and what the CPU and the operating system support.';
