#include "runtime/vindex/fingerprint.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/format.hpp"

namespace larql::vindex {

namespace {

// Far more than norms, routers and scales of a model take. What is larger is no norms.bin, and
// hashing it would take hours.
std::uint64_t most_norm_bytes(const model_config& m) {
  const auto a_layer = std::uint64_t{m.hidden} * (m.experts + 16) + m.experts +
                       2 * (std::uint64_t{m.head_dim} + m.global_head_dim);
  return 2 * sizeof(float) * ((m.layers + std::uint64_t{1}) * a_layer) + (1 << 20);
}

} // namespace

result<sha256_digest> fingerprint(const std::filesystem::path& dir, const model_config& m) {
  LARQL_TRY(const auto in, file::open(dir / norms_file));
  if (in.size_bytes() > most_norm_bytes(m))
    return fail(errc::corrupt, "{}: has {} bytes, expected at most {} for this model",
                in.path().string(), in.size_bytes(), most_norm_bytes(m));
  LARQL_TRY(const auto map, in.map_all(access_pattern::sequential));
  auto hash = sha256{};
  // The name is left out: it is a label that people change.
  auto numbers =
      fmt::format("larql-1 {} {} {} {} {} {} {} {} {} {} {} {} {}", m.family, m.layers, m.hidden,
                  m.dense_width, m.vocab, m.q_heads, m.kv_heads, m.global_kv_heads, m.head_dim,
                  m.global_head_dim, m.experts, m.top_k, m.expert_width);
  if (m.activation != quant::activation_function::gelu)
    numbers += fmt::format(" {}", quant::name_of(m.activation));
  hash.update(std::as_bytes(std::span{numbers}));
  hash.update(map.bytes());
  return hash.finish();
}

result<weights_names> name_weights(const std::filesystem::path& dir, const model_config& m) {
  auto out = weights_names{};
  LARQL_TRY(out.fingerprint, fingerprint(dir, m));
  LARQL_TRY(const auto sums, read_checksums(dir));
  if (sums)
    out.digest = digest_from_hex(weights_digest(*sums));
  return out;
}

} // namespace larql::vindex
