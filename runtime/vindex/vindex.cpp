#include "runtime/vindex/vindex.hpp"

#include "runtime/base/check.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/manifest.hpp"
#include "runtime/vindex/presence.hpp"

#include <algorithm>
#include <functional>

namespace larql::vindex {

namespace {

namespace fs = std::filesystem;
using quant::encoding;
using quant::matrix_view;

struct opener {
  const fs::path& dir;
  const model_config& model;
  std::vector<weights_file>& maps;

  result<std::span<const std::byte>> map_file(std::string_view name,
                                              page_kind pages = page_kind::huge) {
    LARQL_TRY(const auto in, file::open(dir / name));
    LARQL_TRY(auto range, in.map_all(access_pattern::sequential, pages));
    maps.push_back({in.path(), std::move(range)});
    return maps.back().range.bytes();
  }

  // A matrix of a manifest, with the shape the model says; `cols` before padding.
  result<matrix_view> matrix(const matrix_entry& e, std::span<const std::byte> data,
                             std::string_view key, std::uint32_t rows, std::uint32_t cols,
                             std::string_view manifest) const {
    const auto where = (dir / manifest).string();
    if (e.key != key)
      return fail(errc::corrupt, "{}: found tensor \"{}\" where \"{}\" was expected", where, e.key,
                  key);
    const auto whole_256 = (std::uint64_t{cols} + 255) / 256 * 256;
    const auto whole_blocks = quant::padded_cols(e.format, cols);
    if (e.rows != rows || (e.cols != whole_blocks && e.cols != whole_256))
      return fail(errc::mismatch, "{}: {} has shape [{}, {}], expected [{}, {}] as index.json says",
                  where, key, e.rows, e.cols, rows, whole_blocks);
    return matrix_view{e.format, e.rows, e.cols, data.data() + e.offset};
  }
};

// ---- norms and router ---------------------------------------------------------------------------

class vector_table {
public:
  static result<vector_table> open(opener& o) {
    const auto manifest = o.dir / weight_manifest_file;
    LARQL_TRY(const auto data, o.map_file(norms_file, page_kind::normal));
    LARQL_TRY(auto entries, read_vector_manifest(manifest, data.size()));
    return vector_table{manifest.string(), data, std::move(entries)};
  }

  [[nodiscard]] bool has(const std::string& key) const { return entries_.contains(key); }

  [[nodiscard]] result<std::span<const float>> get(const std::string& key,
                                                   std::uint64_t count) const {
    const auto it = entries_.find(key);
    if (it == entries_.end())
      return fail(errc::corrupt, "{}: tensor \"{}\" is missing", where_, key);
    if (it->second.count != count)
      return fail(errc::mismatch, "{}: {} has {} floats, expected {} as index.json says", where_,
                  key, it->second.count, count);
    // Mappings are page-aligned and offsets multiples of 4, so the floats are aligned.
    const auto* p = reinterpret_cast<const float*>(data_.data() + it->second.offset);
    return std::span{p, count};
  }

private:
  using table = std::unordered_map<std::string, vector_entry>;

  vector_table(std::string where, std::span<const std::byte> data, table entries)
      : where_(std::move(where)), data_(data), entries_(std::move(entries)) {}

  std::string where_;
  std::span<const std::byte> data_;
  table entries_;
};

// `ones` serves the layers that have no per_expert_scale, which the family allows.
result<void> read_vectors(const vector_table& t, const model_config& m, std::uint32_t l,
                          std::span<const float> ones, layer_tensors& out) {
  const auto prefix = fmt::format("layers.{}.", l);
  const auto get = [&](const char* name, std::uint64_t count,
                       std::span<const float>& to) -> result<void> {
    LARQL_TRY(to, t.get(prefix + name, count));
    return {};
  };
  const auto dim = m.head_dim_of(l);
  LARQL_TRY_VOID(get("input_layernorm.weight", m.hidden, out.input_norm));
  LARQL_TRY_VOID(get("post_attention_layernorm.weight", m.hidden, out.post_attention_norm));
  LARQL_TRY_VOID(get("pre_feedforward_layernorm.weight", m.hidden, out.pre_dense_norm));
  LARQL_TRY_VOID(get("post_feedforward_layernorm_1.weight", m.hidden, out.post_dense_norm));
  LARQL_TRY_VOID(get("pre_feedforward_layernorm_2.weight", m.hidden, out.pre_expert_norm));
  LARQL_TRY_VOID(get("post_feedforward_layernorm_2.weight", m.hidden, out.post_expert_norm));
  LARQL_TRY_VOID(get("post_feedforward_layernorm.weight", m.hidden, out.post_ffn_norm));
  LARQL_TRY_VOID(get("self_attn.q_norm.weight", dim, out.q_norm));
  LARQL_TRY_VOID(get("self_attn.k_norm.weight", dim, out.k_norm));
  LARQL_TRY_VOID(get("router.scale", m.hidden, out.router_scale));
  out.per_expert_scale = ones;
  if (t.has(prefix + "router.per_expert_scale"))
    LARQL_TRY_VOID(get("router.per_expert_scale", m.experts, out.per_expert_scale));
  auto router = std::span<const float>{};
  LARQL_TRY_VOID(get("router.proj.weight", std::uint64_t{m.experts} * m.hidden, router));
  out.router = {encoding::f32, m.experts, m.hidden,
                reinterpret_cast<const std::byte*>(router.data())};
  if (const auto key = prefix + "layer_scalar"; t.has(key)) {
    LARQL_TRY(const auto scalar, t.get(key, 1));
    out.layer_scalar = scalar[0] == 0 ? 1 : scalar[0]; // the reference writes 0 for "none"
  }
  return {};
}

// ---- attention and dense feed-forward -----------------------------------------------------------

result<std::vector<matrix_entry>> read_entries(const opener& o, std::string_view manifest,
                                               std::uint64_t data_bytes, std::size_t per_layer) {
  LARQL_TRY(auto entries, read_matrix_manifest(o.dir / manifest, data_bytes));
  const auto expected = per_layer * o.model.layers;
  if (entries.size() != expected)
    return fail(errc::corrupt, "{}: has {} tensors, expected {} ({} for each of {} layers)",
                (o.dir / manifest).string(), entries.size(), expected, per_layer, o.model.layers);
  return entries;
}

result<void> read_attention(opener& o, std::vector<layer_tensors>& layers) {
  const auto& m = o.model;
  LARQL_TRY(const auto data, o.map_file(attention_file));
  LARQL_TRY(const auto entries, read_entries(o, attention_manifest_file, data.size(), 4));
  for (auto l = 0u; l < m.layers; ++l) {
    const auto q_rows = m.q_heads * m.head_dim_of(l);
    const auto kv_rows = m.kv_heads_of(l) * m.head_dim_of(l);
    const auto get = [&](std::size_t slot, const char* letter, std::uint32_t rows,
                         std::uint32_t cols, matrix_view& to) -> result<void> {
      LARQL_TRY(to, o.matrix(entries[4 * l + slot], data,
                             fmt::format("layers.{}.self_attn.{}_proj.weight", l, letter), rows,
                             cols, attention_manifest_file));
      return {};
    };
    LARQL_TRY_VOID(get(0, "q", q_rows, m.hidden, layers[l].q));
    LARQL_TRY_VOID(get(1, "k", kv_rows, m.hidden, layers[l].k));
    LARQL_TRY_VOID(get(2, "v", kv_rows, m.hidden, layers[l].v));
    LARQL_TRY_VOID(get(3, "o", m.hidden, q_rows, layers[l].o));
  }
  return {};
}

result<void> read_dense(opener& o, std::vector<layer_tensors>& layers) {
  const auto& m = o.model;
  LARQL_TRY(const auto data, o.map_file(dense_file));
  LARQL_TRY(const auto entries, read_entries(o, dense_manifest_file, data.size(), 3));
  for (auto l = 0u; l < m.layers; ++l) {
    const auto get = [&](std::size_t slot, const char* word, std::uint32_t rows, std::uint32_t cols,
                         matrix_view& to) -> result<void> {
      LARQL_TRY(to, o.matrix(entries[3 * l + slot], data,
                             fmt::format("layers.{}.mlp.{}_proj.weight", l, word), rows, cols,
                             dense_manifest_file));
      return {};
    };
    LARQL_TRY_VOID(get(0, "gate", m.dense_width, m.hidden, layers[l].gate));
    LARQL_TRY_VOID(get(1, "up", m.dense_width, m.hidden, layers[l].up));
    LARQL_TRY_VOID(get(2, "down", m.hidden, m.dense_width, layers[l].down));
  }
  return {};
}

// ---- embeddings and head ------------------------------------------------------------------------

// A [vocab][hidden] matrix described by a one-entry manifest (ours).
result<matrix_view> read_described(opener& o, std::string_view data_file, std::string_view manifest,
                                   std::string_view key) {
  LARQL_TRY(const auto data, o.map_file(data_file));
  LARQL_TRY(const auto entries, read_matrix_manifest(o.dir / manifest, data.size()));
  if (entries.size() != 1)
    return fail(errc::corrupt, "{}: has {} tensors, expected 1", (o.dir / manifest).string(),
                entries.size());
  return o.matrix(entries[0], data, key, o.model.vocab, o.model.hidden, manifest);
}

result<matrix_view> read_embeddings(opener& o) {
  LARQL_TRY(const auto any, path_exists(o.dir / embeddings_any_manifest_file));
  if (any)
    return read_described(o, embeddings_any_file, embeddings_any_manifest_file,
                          "embed_tokens.weight");
  LARQL_TRY(const auto data, o.map_file(embeddings_file));
  const auto elements = std::uint64_t{o.model.vocab} * o.model.hidden;
  if (data.size() != elements * 2 && data.size() != elements * 4)
    return fail(errc::corrupt, "{}: size is {} bytes, expected {} (f16) or {} (f32)",
                (o.dir / embeddings_file).string(), data.size(), elements * 2, elements * 4);
  return matrix_view{data.size() == elements * 2 ? encoding::f16 : encoding::f32, o.model.vocab,
                     o.model.hidden, data.data()};
}

result<matrix_view> read_head(opener& o, const matrix_view& embeddings) {
  LARQL_TRY(const auto any, path_exists(o.dir / head_any_manifest_file));
  if (any)
    return read_described(o, head_any_file, head_any_manifest_file, "lm_head.weight");
  LARQL_TRY(const auto q4, path_exists(o.dir / head_q4_file));
  if (!q4)
    return embeddings; // tied
  LARQL_TRY(const auto data, o.map_file(head_q4_file));
  const auto expected = quant::row_bytes(encoding::q4_k, o.model.hidden) * o.model.vocab;
  if (o.model.hidden % 256 != 0 || data.size() != expected)
    return fail(errc::corrupt, "{}: size is {} bytes, expected {} for Q4_K [{}, {}]",
                (o.dir / head_q4_file).string(), data.size(), expected, o.model.vocab,
                o.model.hidden);
  return matrix_view{encoding::q4_k, o.model.vocab, o.model.hidden, data.data()};
}

} // namespace

result<dense_weights> dense_weights::open(const fs::path& dir, const model_config& model) {
  // A head that was left out would pass for a tied one.
  LARQL_TRY(const auto here, read_presence(dir, model));
  LARQL_TRY_VOID(require_dense(dir, here));
  auto out = dense_weights{};
  auto o = opener{dir, model, out.maps_};
  out.layers.resize(model.layers);
  out.ones_.assign(model.experts, 1.0f);
  LARQL_TRY(const auto vectors, vector_table::open(o));
  for (auto l = 0u; l < model.layers; ++l)
    LARQL_TRY_VOID(read_vectors(vectors, model, l, out.ones_, out.layers[l]));
  LARQL_TRY(out.final_norm, vectors.get("norm.weight", model.hidden));
  LARQL_TRY_VOID(read_attention(o, out.layers));
  LARQL_TRY_VOID(read_dense(o, out.layers));
  LARQL_TRY(out.embeddings, read_embeddings(o));
  LARQL_TRY(out.head, read_head(o, out.embeddings));
  return out;
}

const fs::path& dense_weights::file_of(const void* view) const {
  const auto holds_it = [&](const weights_file& f) {
    const auto bytes = f.range.bytes();
    // Of pointers into different mappings only std::less is sure to make an order.
    const auto before = std::less<const void*>{};
    return !before(view, bytes.data()) && before(view, bytes.data() + bytes.size());
  };
  const auto found = std::find_if(maps_.begin(), maps_.end(), holds_it);
  LARQL_CHECK(found != maps_.end());
  return found->path;
}

} // namespace larql::vindex
