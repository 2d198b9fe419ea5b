#include "runtime/vindex/vindex.hpp"

#include "runtime/base/check.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/manifest.hpp"
#include "runtime/vindex/presence.hpp"
#include "runtime/vindex/vectors.hpp"

#include <cmath>
#include <functional>

namespace larql::vindex {

namespace {

namespace fs = std::filesystem;
using quant::encoding;
using quant::matrix_view;

struct opener {
  const storage& files;
  const model_config& model;
  std::vector<mapped_parts>& maps;

  [[nodiscard]] std::string where(std::string_view name) const {
    return (files.dir() / name).string();
  }

  // Where the matrices of a manifest lie in memory. A file that holds nothing else is mapped as a
  // whole, of others no more than the matrices.
  result<std::vector<const std::byte*>> map_matrices(const stored_file& in,
                                                     std::span<const matrix_entry> entries) {
    auto wanted = std::vector<wanted_part>{};
    for (const auto& e : entries) {
      LARQL_TRY(auto part, in.find(e.offset, e.length));
      wanted.push_back({std::move(part), 0});
    }
    if (in.is_whole()) {
      LARQL_TRY(auto all, in.find(0, in.size_bytes()));
      wanted.push_back({std::move(all), 0});
    }
    LARQL_TRY(auto map, mapped_parts::map(wanted, access_pattern::sequential, page_kind::huge));
    maps.push_back(std::move(map));
    auto out = std::vector<const std::byte*>{};
    for (auto i = std::size_t{0}; i < entries.size(); ++i)
      out.push_back(maps.back().part(i).data());
    return out;
  }

  // A [vocab][hidden] matrix that is a file of its own.
  result<matrix_view> map_table(const stored_file& in, encoding format) {
    const auto e = matrix_entry{{}, model.vocab, model.hidden, format, 0, in.size_bytes()};
    LARQL_TRY(const auto data, map_matrices(in, {&e, 1}));
    return matrix_view{format, e.rows, e.cols, data[0]};
  }

  // A matrix of a manifest, with the shape the model says; `cols` before padding.
  result<matrix_view> matrix(const matrix_entry& e, const std::byte* data, std::string_view key,
                             std::uint32_t rows, std::uint32_t cols,
                             std::string_view manifest) const {
    if (e.key != key)
      return fail(errc::corrupt, "{}: found tensor \"{}\" where \"{}\" was expected",
                  where(manifest), e.key, key);
    const auto whole_256 = (std::uint64_t{cols} + 255) / 256 * 256;
    const auto whole_blocks = quant::padded_cols(e.format, cols);
    if (e.rows != rows || (e.cols != whole_blocks && e.cols != whole_256))
      return fail(errc::mismatch, "{}: {} has shape [{}, {}], expected [{}, {}] as index.json says",
                  where(manifest), key, e.rows, e.cols, rows, whole_blocks);
    return matrix_view{e.format, e.rows, e.cols, data};
  }
};

// ---- norms and router ---------------------------------------------------------------------------

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

// The matrices of a file of layers, and where they are in memory.
struct layer_matrices {
  std::vector<matrix_entry> entries;
  std::vector<const std::byte*> data;
};

result<layer_matrices> read_matrices(opener& o, std::string_view data_file,
                                     std::string_view manifest, std::size_t per_layer) {
  auto out = layer_matrices{};
  LARQL_TRY(const auto in, o.files.open_file(data_file));
  LARQL_TRY(out.entries, read_matrix_manifest(o.files.dir() / manifest, in.size_bytes()));
  const auto expected = per_layer * o.model.layers;
  if (out.entries.size() != expected)
    return fail(errc::corrupt, "{}: has {} tensors, expected {} ({} for each of {} layers)",
                o.where(manifest), out.entries.size(), expected, per_layer, o.model.layers);
  LARQL_TRY(out.data, o.map_matrices(in, out.entries));
  return out;
}

result<void> read_attention(opener& o, std::vector<layer_tensors>& layers) {
  const auto& m = o.model;
  LARQL_TRY(const auto all, read_matrices(o, attention_file, attention_manifest_file, 4));
  for (auto l = 0u; l < m.layers; ++l) {
    const auto q_rows = m.q_heads * m.head_dim_of(l);
    const auto kv_rows = m.kv_heads_of(l) * m.head_dim_of(l);
    const auto get = [&](std::size_t slot, const char* letter, std::uint32_t rows,
                         std::uint32_t cols, matrix_view& to) -> result<void> {
      LARQL_TRY(to, o.matrix(all.entries[4 * l + slot], all.data[4 * l + slot],
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
  LARQL_TRY(const auto all, read_matrices(o, dense_file, dense_manifest_file, 3));
  for (auto l = 0u; l < m.layers; ++l) {
    const auto get = [&](std::size_t slot, const char* word, std::uint32_t rows, std::uint32_t cols,
                         matrix_view& to) -> result<void> {
      LARQL_TRY(to, o.matrix(all.entries[3 * l + slot], all.data[3 * l + slot],
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

// The factors that matrices may have.
result<void> read_scales(const vector_table& vectors, std::vector<layer_tensors>& layers) {
  for (auto l = std::size_t{0}; l < layers.size(); ++l) {
    auto& t = layers[l];
    const std::pair<const char*, matrix_view*> matrices[] = {
        {"self_attn.q_proj", &t.q}, {"self_attn.k_proj", &t.k}, {"self_attn.v_proj", &t.v},
        {"self_attn.o_proj", &t.o}, {"mlp.gate_proj", &t.gate}, {"mlp.up_proj", &t.up},
        {"mlp.down_proj", &t.down}};
    for (const auto& [name, matrix] : matrices) {
      const auto key = fmt::format("layers.{}.{}.scale", l, name);
      if (!vectors.has(key))
        continue;
      LARQL_TRY(const auto scale, vectors.get(key, 1));
      if (!std::isfinite(scale[0]))
        return fail(errc::corrupt, "{}: {} is {}, expected a finite number", norms_file, key,
                    scale[0]);
      matrix->scale = scale[0];
    }
  }
  return {};
}

// ---- embeddings and head ------------------------------------------------------------------------

// A [vocab][hidden] matrix described by a one-entry manifest (ours).
result<matrix_view> read_described(opener& o, std::string_view data_file, std::string_view manifest,
                                   std::string_view key) {
  LARQL_TRY(const auto in, o.files.open_file(data_file));
  LARQL_TRY(const auto entries, read_matrix_manifest(o.files.dir() / manifest, in.size_bytes()));
  if (entries.size() != 1)
    return fail(errc::corrupt, "{}: has {} tensors, expected 1", o.where(manifest), entries.size());
  LARQL_TRY(const auto data, o.map_matrices(in, entries));
  return o.matrix(entries[0], data[0], key, o.model.vocab, o.model.hidden, manifest);
}

result<matrix_view> read_embeddings(opener& o) {
  LARQL_TRY(const auto any, o.files.has(embeddings_any_manifest_file));
  if (any)
    return read_described(o, embeddings_any_file, embeddings_any_manifest_file,
                          "embed_tokens.weight");
  LARQL_TRY(const auto in, o.files.open_file(embeddings_file));
  const auto elements = std::uint64_t{o.model.vocab} * o.model.hidden;
  if (in.size_bytes() != elements * 2 && in.size_bytes() != elements * 4)
    return fail(errc::corrupt, "{}: size is {} bytes, expected {} (f16) or {} (f32)",
                o.where(embeddings_file), in.size_bytes(), elements * 2, elements * 4);
  return o.map_table(in, in.size_bytes() == elements * 2 ? encoding::f16 : encoding::f32);
}

result<matrix_view> read_head(opener& o, const matrix_view& embeddings) {
  LARQL_TRY(const auto any, o.files.has(head_any_manifest_file));
  if (any)
    return read_described(o, head_any_file, head_any_manifest_file, "lm_head.weight");
  LARQL_TRY(const auto q4, o.files.has(head_q4_file));
  if (!q4)
    return embeddings; // tied
  LARQL_TRY(const auto in, o.files.open_file(head_q4_file));
  const auto expected = quant::row_bytes(encoding::q4_k, o.model.hidden) * o.model.vocab;
  if (o.model.hidden % 256 != 0 || in.size_bytes() != expected)
    return fail(errc::corrupt, "{}: size is {} bytes, expected {} for Q4_K [{}, {}]",
                o.where(head_q4_file), in.size_bytes(), expected, o.model.vocab, o.model.hidden);
  return o.map_table(in, encoding::q4_k);
}

} // namespace

result<dense_weights> dense_weights::open(const fs::path& dir, const model_config& model) {
  // A head that was left out would pass for a tied one.
  LARQL_TRY(const auto here, read_presence(dir, model));
  LARQL_TRY_VOID(require_dense(dir, here));
  LARQL_TRY(const auto files, storage::open(dir));
  auto out = dense_weights{};
  auto o = opener{files, model, out.maps_};
  out.layers.resize(model.layers);
  out.ones_.assign(model.experts, 1.0f);
  LARQL_TRY(auto vectors, vector_table::open(files));
  for (auto l = 0u; l < model.layers; ++l)
    LARQL_TRY_VOID(read_vectors(vectors, model, l, out.ones_, out.layers[l]));
  LARQL_TRY(out.final_norm, vectors.get("norm.weight", model.hidden));
  LARQL_TRY_VOID(read_attention(o, out.layers));
  LARQL_TRY_VOID(read_dense(o, out.layers));
  LARQL_TRY_VOID(read_scales(vectors, out.layers));
  out.maps_.push_back(std::move(vectors).release());
  LARQL_TRY(out.embeddings, read_embeddings(o));
  LARQL_TRY(out.head, read_head(o, out.embeddings));
  return out;
}

const fs::path& dense_weights::file_of(const void* view) const {
  // Of pointers into different mappings only std::less is sure to make an order.
  const auto before = std::less<const void*>{};
  for (const auto& map : maps_)
    for (const auto& run : map.runs())
      if (!before(view, run.bytes.data()) && before(view, run.bytes.data() + run.bytes.size()))
        return run.path;
  LARQL_CHECK(false && "a view that is not of these weights");
  return maps_.front().runs().front().path;
}

} // namespace larql::vindex
