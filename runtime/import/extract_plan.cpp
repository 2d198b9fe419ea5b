#include "runtime/import/extract_plan.hpp"

#include "runtime/vindex/format.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "runtime/vindex/vectors.hpp"

#include <filesystem>

namespace larql::import {

namespace {

using quant::encoding;
using vindex::matrix_entry;
using vindex::model_config;
using vindex::quant_kind;

class planner {
public:
  planner(const checkpoint& source, quant_kind quant, const std::string& version,
          matrices_lie where)
      : source_(source), config_(source.config), quant_(quant), version_(version), where_(where) {
    config_.quant = quant;
  }

  result<extract_plan> run() {
    if (quant_ == quant_kind::q4k && config_.hidden % 256 != 0)
      return fail(errc::unsupported,
                  "{}: hidden size {} is not a multiple of 256, which --quant q4k needs; use "
                  "lossless",
                  source_.description, config_.hidden);
    LARQL_TRY_VOID(norms());
    LARQL_TRY_VOID(attention());
    LARQL_TRY_VOID(dense());
    LARQL_TRY_VOID(embeddings());
    LARQL_TRY_VOID(head());
    for (auto l = 0u; l < config_.layers; ++l)
      LARQL_TRY_VOID(experts(l));
    auto extras = vindex::index_extras{};
    extras.source = source_name();
    extras.writer = version_;
    out_.texts.push_back({std::string{vindex::index_file}, write_index(config_, extras)});
    for (const auto& f : source_.files)
      out_.texts.push_back(f);
    return std::move(out_);
  }

private:
  using shape = std::vector<std::uint64_t>;

  // Without its directories, which the vindex should not give away.
  std::string source_name() const {
    const auto path = std::filesystem::path{source_.description}.lexically_normal();
    return (path.has_filename() ? path : path.parent_path()).filename().string();
  }

  static std::string layer_key(std::uint32_t l, std::string_view name) {
    return fmt::format("layers.{}.{}", l, name);
  }

  static output_file named(std::string_view name) {
    auto out = output_file{};
    out.name = name;
    return out;
  }

  void add_text(std::string_view name, std::string content) {
    out_.texts.push_back({std::string{name}, std::move(content)});
  }

  [[nodiscard]] encoding own_encoding(const source_tensor& t) const {
    return where_ == matrices_lie::in_source ? t.format : quant::vindex_encoding(t.format);
  }

  // The encoding a matrix gets: its own (lossless) or the one the reference would choose.
  [[nodiscard]] target target_for(const source_tensor& t, encoding q4k_choice) const {
    const auto format = quant_ == quant_kind::lossless ? own_encoding(t) : q4k_choice;
    return {format, static_cast<std::uint32_t>(quant::padded_cols(format, t.cols()))};
  }

  // The factors of a matrix, or of each expert's. Numbers that are rounded anew are multiplied with
  // them; beside others they stay (norms).
  [[nodiscard]] result<std::vector<float>> scales_of(std::string_view matrix,
                                                     std::uint64_t count) const {
    constexpr auto ending = std::string_view{".weight"};
    if (matrix.ends_with(ending))
      matrix.remove_suffix(ending.size());
    const auto key = fmt::format("{}.scale", matrix);
    auto out = std::vector<float>(count, 1.0f);
    if (quant_ == quant_kind::lossless || !source_.tensors.contains(key))
      return out;
    LARQL_TRY(const auto* t, source_.find(key, {count}));
    const auto to = target{encoding::f32, static_cast<std::uint32_t>(count)};
    if (!convert_rows(*t, 0, 1, to, std::as_writable_bytes(std::span{out})))
      return fail(errc::corrupt, "{}: tensor {} holds a number that is NaN or infinite",
                  source_.description, t->name);
    return out;
  }

  // Appends a whole matrix to a .bin file and its manifest.
  static void append(output_file& file, std::vector<matrix_entry>& manifest, std::string key,
                     const source_tensor& t, const target& to, float scale) {
    const auto p = piece{&t, to, 0, t.rows(), scale};
    manifest.push_back({std::move(key), static_cast<std::uint32_t>(t.rows()), to.cols, to.format,
                        file.bytes(), p.bytes()});
    file.pieces.push_back(p);
  }

  // ---- norms.bin --------------------------------------------------------------------------------

  result<void> norms() {
    auto file = named(vindex::norms_file);
    auto entries = std::vector<vindex::named_vector>{};
    const auto add = [&](const std::string& key, shape s, bool optional) -> result<void> {
      if (optional && !source_.tensors.contains(key))
        return {};
      LARQL_TRY(const auto* t, source_.find(key, std::move(s)));
      const auto elements = t->rows() * t->cols();
      entries.push_back({key, {file.bytes(), elements}});
      file.pieces.push_back(
          {t, {encoding::f32, static_cast<std::uint32_t>(t->cols())}, 0, t->rows()});
      return {};
    };
    const auto h = std::uint64_t{config_.hidden};
    const auto e = std::uint64_t{config_.experts};
    for (auto l = 0u; l < config_.layers; ++l) {
      const auto dim = std::uint64_t{config_.head_dim_of(l)};
      // The reference's order, with its one repetition.
      const std::tuple<const char*, shape, bool> vectors[] = {
          {"input_layernorm.weight", {h}, false},
          {"post_attention_layernorm.weight", {h}, false},
          {"pre_feedforward_layernorm.weight", {h}, false},
          {"post_feedforward_layernorm_1.weight", {h}, false},
          {"self_attn.q_norm.weight", {dim}, false},
          {"self_attn.k_norm.weight", {dim}, false},
          {"layer_scalar", {1}, true},
          {"router.proj.weight", {e, h}, false},
          {"router.scale", {h}, false},
          {"router.per_expert_scale", {e}, true},
          {"pre_feedforward_layernorm_2.weight", {h}, false},
          {"post_feedforward_layernorm_1.weight", {h}, false},
          {"post_feedforward_layernorm_2.weight", {h}, false},
          {"post_feedforward_layernorm.weight", {h}, false},
      };
      for (const auto& [name, s, optional] : vectors)
        LARQL_TRY_VOID(add(layer_key(l, name), s, optional));
      if (quant_ == quant_kind::lossless)
        for (const auto& name : vindex::scale_names)
          LARQL_TRY_VOID(add(layer_key(l, name.key), {name.per_expert ? e : 1}, true));
    }
    LARQL_TRY_VOID(add("norm.weight", {h}, false));
    add_text(vindex::weight_manifest_file, vindex::write_vector_manifest(entries));
    out_.files.push_back(std::move(file));
    return {};
  }

  // ---- attention and dense feed-forward ---------------------------------------------------------

  result<void> attention() {
    auto file = named(vindex::attention_file);
    auto manifest = std::vector<matrix_entry>{};
    const auto h = std::uint64_t{config_.hidden};
    for (auto l = 0u; l < config_.layers; ++l) {
      const auto q_rows = std::uint64_t{config_.q_heads} * config_.head_dim_of(l);
      const auto kv_rows = std::uint64_t{config_.kv_heads_of(l)} * config_.head_dim_of(l);
      const auto key = [&](char letter) {
        return layer_key(l, fmt::format("self_attn.{}_proj.weight", letter));
      };
      LARQL_TRY(const auto* q, source_.find(key('q'), {q_rows, h}));
      LARQL_TRY(const auto* k, source_.find(key('k'), {kv_rows, h}));
      LARQL_TRY(const auto* o, source_.find(key('o'), {h, q_rows}));
      const auto put = [&](char letter, char of, const source_tensor& t,
                           encoding choice) -> result<void> {
        LARQL_TRY(const auto scale, scales_of(key(of), 1));
        append(file, manifest, key(letter), t, target_for(t, choice), scale[0]);
        return {};
      };
      LARQL_TRY_VOID(put('q', 'q', *q, encoding::q4_k));
      LARQL_TRY_VOID(put('k', 'k', *k, encoding::q4_k));
      const auto k_entry = manifest.back();
      if (source_.tensors.contains(key('v')) || config_.sliding[l]) {
        LARQL_TRY(const auto* v, source_.find(key('v'), {kv_rows, h}));
        LARQL_TRY_VOID(put('v', 'v', *v, encoding::q6_k));
      } else if (quant_ == quant_kind::q4k) { // the reference stores K once more, as V
        LARQL_TRY_VOID(put('v', 'k', *k, encoding::q6_k));
      } else { // the same bytes under V's key
        manifest.push_back(k_entry);
        manifest.back().key = key('v');
      }
      LARQL_TRY_VOID(put('o', 'o', *o, encoding::q4_k));
    }
    add_text(vindex::attention_manifest_file, vindex::write_matrix_manifest(manifest));
    out_.files.push_back(std::move(file));
    return {};
  }

  result<void> dense() {
    auto file = named(vindex::dense_file);
    auto manifest = std::vector<matrix_entry>{};
    const auto h = std::uint64_t{config_.hidden}, w = std::uint64_t{config_.dense_width};
    for (auto l = 0u; l < config_.layers; ++l) {
      const std::tuple<const char*, shape, encoding> parts[] = {
          {"mlp.gate_proj.weight", {w, h}, encoding::q4_k},
          {"mlp.up_proj.weight", {w, h}, encoding::q4_k},
          {"mlp.down_proj.weight", {h, w}, encoding::q6_k}};
      for (const auto& [name, s, choice] : parts) {
        const auto key = layer_key(l, name);
        LARQL_TRY(const auto* t, source_.find(key, s));
        LARQL_TRY(const auto scale, scales_of(key, 1));
        append(file, manifest, key, *t, target_for(*t, choice), scale[0]);
      }
    }
    add_text(vindex::dense_manifest_file, vindex::write_matrix_manifest(manifest));
    out_.files.push_back(std::move(file));
    return {};
  }

  // ---- embeddings and head ----------------------------------------------------------------------

  void whole_matrix(std::string_view file_name, const source_tensor& t, encoding format) {
    auto file = named(file_name);
    const auto cols = static_cast<std::uint32_t>(quant::padded_cols(format, t.cols()));
    file.pieces.push_back({&t, {format, cols}, 0, t.rows()});
    out_.files.push_back(std::move(file));
  }

  void described_matrix(std::string_view file_name, std::string_view manifest_name, std::string key,
                        const source_tensor& t) {
    const auto format = own_encoding(t);
    whole_matrix(file_name, t, format);
    const auto bytes = out_.files.back().bytes();
    const auto cols = out_.files.back().pieces[0].to.cols;
    add_text(manifest_name,
             vindex::write_matrix_manifest(
                 {{std::move(key), static_cast<std::uint32_t>(t.rows()), cols, format, 0, bytes}}));
  }

  result<void> embeddings() {
    LARQL_TRY(const auto* t, source_.find("embed_tokens.weight", {config_.vocab, config_.hidden}));
    const auto plain = t->format == encoding::f16 || t->format == encoding::f32;
    if (quant_ == quant_kind::q4k)
      whole_matrix(vindex::embeddings_file, *t, encoding::f16);
    else if (plain)
      whole_matrix(vindex::embeddings_file, *t, t->format);
    else
      described_matrix(vindex::embeddings_any_file, vindex::embeddings_any_manifest_file,
                       "embed_tokens.weight", *t);
    return {};
  }

  // A q4k vindex always gets a 4-bit head, because an f16 one would be read whole for every token.
  result<void> head() {
    const auto tied = !source_.tensors.contains("lm_head.weight");
    if (tied && quant_ == quant_kind::lossless)
      return {};
    LARQL_TRY(const auto* t, source_.find(tied ? "embed_tokens.weight" : "lm_head.weight",
                                          {config_.vocab, config_.hidden}));
    if (quant_ == quant_kind::q4k)
      whole_matrix(vindex::head_q4_file, *t, encoding::q4_k);
    else
      described_matrix(vindex::head_any_file, vindex::head_any_manifest_file, "lm_head.weight", *t);
    return {};
  }

  // ---- layers/layer_LL.weights ------------------------------------------------------------------

  result<void> experts(std::uint32_t l) {
    const auto e = std::uint64_t{config_.experts}, w = std::uint64_t{config_.expert_width};
    const auto h = std::uint64_t{config_.hidden};
    struct part {
      const source_tensor* tensor;
      std::vector<float> scales; // by expert
    };
    auto parts = std::vector<part>{}; // gate and up, fused or apart
    const auto add = [&](const char* name, std::uint64_t rows) -> result<void> {
      const auto key = layer_key(l, name);
      LARQL_TRY(const auto* t, source_.find(key, {e, rows, h}));
      LARQL_TRY(auto scales, scales_of(key, e));
      parts.push_back({t, std::move(scales)});
      return {};
    };
    if (source_.tensors.contains(layer_key(l, "experts.gate_up_proj"))) {
      LARQL_TRY_VOID(add("experts.gate_up_proj", 2 * w));
    } else {
      LARQL_TRY_VOID(add("experts.gate_proj", w));
      LARQL_TRY_VOID(add("experts.up_proj", w));
    }
    LARQL_TRY(const auto* down, source_.find(layer_key(l, "experts.down_proj"), {e, h, w}));
    auto formats = vindex::expert_formats{encoding::q4_k, encoding::q4_k, encoding::q4_k};
    if (quant_ == quant_kind::lossless)
      formats = {own_encoding(*parts.front().tensor), own_encoding(*parts.back().tensor),
                 own_encoding(*down)};
    const auto header =
        vindex::plan_layer(formats, config_.experts, config_.expert_width, config_.hidden);
    auto file = named(vindex::layer_file_name(l));
    file.head = vindex::write_layer_header(header);
    file.layer = l;
    file.experts = config_.experts;
    for (auto i = std::uint64_t{0}; i < e; ++i) {
      for (const auto& [tensor, scales] : parts) {
        const auto rows = tensor->rows() / e;
        const auto format = tensor == parts.front().tensor ? formats.gate : formats.up;
        file.pieces.push_back({tensor, {format, config_.hidden}, i * rows, rows, scales[i]});
      }
      file.pieces.push_back({down, {formats.down, header.down_cols}, i * h, h});
    }
    out_.files.push_back(std::move(file));
    return {};
  }

  const checkpoint& source_;
  model_config config_;
  quant_kind quant_;
  const std::string& version_;
  matrices_lie where_;
  extract_plan out_;
};

} // namespace

std::uint64_t output_file::bytes() const noexcept {
  auto sum = std::uint64_t{head.size()};
  for (const auto& p : pieces)
    sum += p.bytes();
  return sum;
}

result<extract_plan> plan_extract(const checkpoint& source, quant_kind quant,
                                  const std::string& version, matrices_lie where) {
  return planner{source, quant, version, where}.run();
}

} // namespace larql::import
