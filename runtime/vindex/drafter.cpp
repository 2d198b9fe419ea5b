#include "runtime/vindex/drafter.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/manifest.hpp"

#include <algorithm>
#include <map>

namespace larql::vindex {

namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t format_version = 1;

result<void> read_target(const json_fields& f, drafter_target& out) {
  const std::tuple<const char*, std::uint32_t*> counts[] = {
      {"hidden_size", &out.hidden},    {"vocab_size", &out.vocab},
      {"head_dim", &out.head_dim},     {"global_head_dim", &out.global_head_dim},
      {"sliding_window", &out.window},
  };
  for (const auto& [key, to] : counts) {
    LARQL_TRY(const auto n, f.unsigned_integer(key, UINT32_MAX));
    *to = static_cast<std::uint32_t>(n);
  }
  LARQL_TRY(out.rope_base, f.number("rope_base"));
  LARQL_TRY(out.rope_local_base, f.number("rope_local_base"));
  LARQL_TRY(out.partial_rotary, f.number("partial_rotary_factor"));
  return {};
}

} // namespace

// ---- numbers ------------------------------------------------------------------------------------

result<void> check_drafter(const drafter_config& c, const model_config& model,
                           std::string_view where) {
  const std::tuple<const char*, std::uint32_t, std::uint32_t> counts[] = {
      {"hidden_size", c.hidden, max_width},
      {"intermediate_size", c.dense_width, max_width},
      {"num_q_heads", c.q_heads, max_heads},
      {"number of layers", c.layers(), max_layers},
  };
  for (const auto& [field, value, most] : counts)
    if (value == 0 || value > most)
      return fail(errc::corrupt, "{}: {} is {}, expected 1 to {}", where, field, value, most);
  if (!(c.rms_eps > 0 && c.rms_eps < 1))
    return fail(errc::corrupt, "{}: rms_norm_eps is {}, expected a number in (0, 1)", where,
                c.rms_eps);
  const auto& t = c.target;
  const std::tuple<const char*, double, double> same[] = {
      {"hidden size", t.hidden, model.hidden},
      {"vocabulary", t.vocab, model.vocab},
      {"head size of sliding layers", t.head_dim, model.head_dim},
      {"head size of full layers", t.global_head_dim, model.global_head_dim},
      {"sliding window", t.window, model.window},
      {"RoPE base of full layers", t.rope_base, model.rope_base},
      {"RoPE base of sliding layers", t.rope_local_base, model.rope_local_base},
      {"rotating part of full layers", t.partial_rotary, model.partial_rotary},
  };
  for (const auto& [what, found, expected] : same)
    if (found != expected)
      return fail(errc::mismatch, "{}: is a drafter for another model: {} is {}, expected {}",
                  where, what, found, expected);
  for (auto l = 0u; l < c.layers(); ++l) {
    if (std::find(model.sliding.begin(), model.sliding.end(), c.sliding[l]) == model.sliding.end())
      return fail(errc::mismatch,
                  "{}: layer {} reads the keys of a {} layer, but the model has none", where, l,
                  c.sliding[l] ? "sliding" : "full");
    if (c.sliding[l] && model.window < 2) // the last token itself has no key yet
      return fail(errc::mismatch, "{}: sliding_window is {}, expected at least 2", where,
                  model.window);
    const auto heads = c.sliding[l] ? model.kv_heads : model.global_kv_heads;
    if (c.q_heads % heads != 0)
      return fail(errc::mismatch,
                  "{}: num_q_heads is {}, expected a multiple of {} as layer {} needs", where,
                  c.q_heads, heads, l);
  }
  return {};
}

result<drafter_config> parse_drafter(std::string_view text, std::string_view name,
                                     const model_config& model) {
  LARQL_TRY(const auto parsed, parse_json(text, name));
  const auto f = json_fields{parsed, std::string{name}};
  LARQL_TRY_VOID(f.require_version(format_version));
  LARQL_TRY(const auto kind, f.string("kind"));
  if (kind != drafter_kind)
    return fail(errc::unsupported, "{}: field \"kind\" is \"{}\", expected \"{}\"", name, kind,
                drafter_kind);
  auto out = drafter_config{};
  const std::tuple<const char*, std::uint32_t*> counts[] = {{"hidden_size", &out.hidden},
                                                            {"intermediate_size", &out.dense_width},
                                                            {"num_q_heads", &out.q_heads}};
  for (const auto& [key, to] : counts) {
    LARQL_TRY(const auto n, f.unsigned_integer(key, max_width));
    *to = static_cast<std::uint32_t>(n);
  }
  LARQL_TRY(const json* types, f.array("layer_types"));
  for (const auto& t : *types) {
    if (t != "sliding_attention" && t != "full_attention")
      return fail(errc::corrupt,
                  "{}: field \"layer_types\"[{}] is {}, expected \"sliding_attention\" or "
                  "\"full_attention\"",
                  name, out.sliding.size(),
                  t.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 60));
    out.sliding.push_back(t == "sliding_attention");
  }
  LARQL_TRY(const auto eps, f.number("rms_norm_eps"));
  out.rms_eps = static_cast<float>(eps);
  LARQL_TRY(const json* target, f.object("target"));
  LARQL_TRY_VOID(read_target({*target, fmt::format("{}: target", name)}, out.target));
  if (f.has("source")) {
    LARQL_TRY(out.source, f.string("source"));
  }
  LARQL_TRY_VOID(check_drafter(out, model, name));
  return out;
}

result<std::optional<drafter_config>> read_drafter(const fs::path& dir, const model_config& model) {
  const auto path = dir / drafter_file;
  LARQL_TRY(const auto exists, path_exists(path));
  if (!exists)
    return std::optional<drafter_config>{};
  LARQL_TRY(const auto text, read_text_file(path, max_json_bytes));
  LARQL_TRY(auto out, parse_drafter(text, path.string(), model));
  return std::optional{std::move(out)};
}

std::string write_drafter(const drafter_config& c, std::string_view writer) {
  auto types = json::array();
  for (const auto sliding : c.sliding)
    types.push_back(sliding ? "sliding_attention" : "full_attention");
  const auto out = json{{"version", format_version},
                        {"kind", std::string{drafter_kind}},
                        {"hidden_size", c.hidden},
                        {"intermediate_size", c.dense_width},
                        {"num_q_heads", c.q_heads},
                        {"layer_types", std::move(types)},
                        {"rms_norm_eps", c.rms_eps},
                        {"target",
                         {{"hidden_size", c.target.hidden},
                          {"vocab_size", c.target.vocab},
                          {"head_dim", c.target.head_dim},
                          {"global_head_dim", c.target.global_head_dim},
                          {"sliding_window", c.target.window},
                          {"rope_base", c.target.rope_base},
                          {"rope_local_base", c.target.rope_local_base},
                          {"partial_rotary_factor", c.target.partial_rotary}}},
                        {"source", c.source},
                        {"larql_version", std::string{writer}}};
  return out.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

// ---- tensors ------------------------------------------------------------------------------------

std::vector<drafter_tensor> drafter_tensors(const drafter_config& c) {
  auto out = std::vector<drafter_tensor>{};
  const auto vector = [&](std::string key, std::uint32_t n, bool optional = false) {
    out.push_back({std::move(key), 1, n, true, optional});
  };
  const auto matrix = [&](std::string key, std::uint32_t rows, std::uint32_t cols) {
    out.push_back({std::move(key), rows, cols, false, false});
  };
  const auto key = [](std::uint32_t l, std::string_view name) {
    return fmt::format("layers.{}.{}", l, name);
  };
  for (auto l = 0u; l < c.layers(); ++l) {
    for (const auto name :
         {"input_layernorm.weight", "post_attention_layernorm.weight",
          "pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight"})
      vector(key(l, name), c.hidden);
    vector(key(l, "self_attn.q_norm.weight"), c.head_dim_of(l));
    vector(key(l, "layer_scalar"), 1, true);
  }
  vector("norm.weight", c.hidden);
  matrix("pre_projection.weight", c.hidden, 2 * c.target.hidden);
  for (auto l = 0u; l < c.layers(); ++l) {
    const auto width = c.q_heads * c.head_dim_of(l);
    matrix(key(l, "self_attn.q_proj.weight"), width, c.hidden);
    matrix(key(l, "self_attn.o_proj.weight"), c.hidden, width);
    matrix(key(l, "mlp.gate_proj.weight"), c.dense_width, c.hidden);
    matrix(key(l, "mlp.up_proj.weight"), c.dense_width, c.hidden);
    matrix(key(l, "mlp.down_proj.weight"), c.hidden, c.dense_width);
  }
  matrix("post_projection.weight", c.target.hidden, c.hidden);
  matrix("embed_tokens.weight", c.target.vocab, c.hidden);
  return out;
}

namespace {

// What a manifest lists, each tensor with the shape that the drafter's numbers ask for.
class tensor_table {
public:
  static result<tensor_table> read(const fs::path& dir, const drafter_config& c,
                                   std::uint64_t data_bytes) {
    const auto manifest = dir / drafter_manifest_file;
    LARQL_TRY(const auto entries, read_matrix_manifest(manifest, data_bytes));
    auto out = tensor_table{};
    for (const auto& e : entries)
      out.found_.emplace(e.key, e);
    auto expected = std::size_t{0};
    for (const auto& t : drafter_tensors(c)) {
      const auto it = out.found_.find(t.key);
      if (it == out.found_.end() && t.is_optional)
        continue;
      if (it == out.found_.end())
        return fail(errc::corrupt, "{}: tensor \"{}\" is missing", manifest.string(), t.key);
      ++expected;
      const auto& e = it->second;
      if (e.rows != t.rows || e.cols != quant::padded_cols(e.format, t.cols))
        return fail(errc::mismatch, "{}: {} has shape [{}, {}], expected [{}, {}] as {} says",
                    manifest.string(), t.key, e.rows, e.cols, t.rows,
                    quant::padded_cols(e.format, t.cols), drafter_file);
      if (t.is_vector && (e.format != quant::encoding::f32 || e.offset % sizeof(float) != 0))
        return fail(errc::corrupt, "{}: {} is {} at {}, expected F32 at a multiple of 4",
                    manifest.string(), t.key, quant::name_of(e.format), e.offset);
    }
    if (expected != entries.size())
      return fail(errc::corrupt, "{}: has {} tensors, expected {}", manifest.string(),
                  entries.size(), expected);
    return out;
  }

  [[nodiscard]] bool has(const std::string& key) const { return found_.contains(key); }
  [[nodiscard]] quant::matrix_view matrix(const std::string& key,
                                          std::span<const std::byte> data) const {
    const auto& e = found_.at(key);
    return {e.format, e.rows, e.cols, data.data() + e.offset};
  }
  [[nodiscard]] std::span<const float> vector(const std::string& key,
                                              std::span<const std::byte> data) const {
    const auto& e = found_.at(key);
    return {reinterpret_cast<const float*>(data.data() + e.offset), e.cols};
  }

private:
  std::map<std::string, matrix_entry> found_;
};

} // namespace

result<drafter_weights> drafter_weights::open(const fs::path& dir, const drafter_config& c) {
  LARQL_TRY(const auto files, storage::open(dir));
  LARQL_TRY(const auto in, files.open_file(drafter_weights_file));
  LARQL_TRY(const auto table, tensor_table::read(dir, c, in.size_bytes()));
  LARQL_TRY(auto whole, in.find(0, in.size_bytes()));
  const auto wanted = wanted_part{std::move(whole), 0};
  auto out = drafter_weights{};
  LARQL_TRY(out.map_, mapped_parts::map({&wanted, 1}, access_pattern::sequential, page_kind::huge));
  const auto data = out.map_.part(0);
  out.pre_projection = table.matrix("pre_projection.weight", data);
  out.post_projection = table.matrix("post_projection.weight", data);
  out.head = table.matrix("embed_tokens.weight", data);
  out.final_norm = table.vector("norm.weight", data);
  for (auto l = 0u; l < c.layers(); ++l) {
    const auto key = [l](std::string_view name) { return fmt::format("layers.{}.{}", l, name); };
    auto& t = out.layers.emplace_back();
    t.q = table.matrix(key("self_attn.q_proj.weight"), data);
    t.o = table.matrix(key("self_attn.o_proj.weight"), data);
    t.gate = table.matrix(key("mlp.gate_proj.weight"), data);
    t.up = table.matrix(key("mlp.up_proj.weight"), data);
    t.down = table.matrix(key("mlp.down_proj.weight"), data);
    t.input_norm = table.vector(key("input_layernorm.weight"), data);
    t.post_attention_norm = table.vector(key("post_attention_layernorm.weight"), data);
    t.pre_dense_norm = table.vector(key("pre_feedforward_layernorm.weight"), data);
    t.post_ffn_norm = table.vector(key("post_feedforward_layernorm.weight"), data);
    t.q_norm = table.vector(key("self_attn.q_norm.weight"), data);
    if (table.has(key("layer_scalar")))
      t.layer_scalar = table.vector(key("layer_scalar"), data)[0];
  }
  return out;
}

} // namespace larql::vindex
