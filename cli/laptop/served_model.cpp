#include "cli/laptop/served_model.hpp"

#include "cli/support/version.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/layer_file.hpp"

#include <sys/stat.h>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t block_bytes = 512; // of st_blocks

// Files with holes, as slices have them, count with what they hold.
std::uint64_t allocated(const fs::path& file) {
  struct stat s {};
  return ::stat(file.c_str(), &s) == 0 ? static_cast<std::uint64_t>(s.st_blocks) * block_bytes : 0;
}

std::uint64_t sum_files(const fs::path& dir) {
  auto out = std::uint64_t{0};
  auto ignored = std::error_code{};
  for (const auto& entry : fs::directory_iterator{dir, ignored})
    if (entry.is_regular_file(ignored))
      out += allocated(entry.path());
  return out;
}

// How most weights are stored: the experts' encoding, if their files are here.
result<std::string> encoding_of(const fs::path& dir, const vindex::model_config& model) {
  const auto path = dir / vindex::layer_file_name(0);
  LARQL_TRY(const auto exists, path_exists(path));
  if (!exists)
    return std::string{model.quant == vindex::quant_kind::q4k ? "Q4_K" : "lossless"};
  LARQL_TRY(const auto in, file::open(path));
  LARQL_TRY(const auto header, vindex::read_layer_header(in, model));
  return std::string{quant::name_of(header.gate_up_format)};
}

std::string piece_of(const text_assets& text, const std::vector<text::token_id>& ids) {
  return ids.empty() ? std::string{} : std::string{text.tokens.piece(ids.front())};
}

} // namespace

std::uint64_t parameters_of(const vindex::model_config& m) {
  const auto hidden = std::uint64_t{m.hidden};
  auto out = std::uint64_t{m.vocab} * hidden;
  for (auto l = 0u; l < m.layers; ++l) {
    const auto q = std::uint64_t{m.q_heads} * m.head_dim_of(l);
    const auto kv = std::uint64_t{m.kv_heads_of(l)} * m.head_dim_of(l);
    const auto projections = m.k_eq_v && !m.sliding[l] ? 1u : 2u;
    out += 2 * q * hidden + projections * kv * hidden;
    out += 3 * std::uint64_t{m.dense_width} * hidden;
    out += std::uint64_t{m.experts} * hidden * (1 + 3 * std::uint64_t{m.expert_width});
  }
  return out;
}

std::uint64_t resident_bytes(const fs::path& dir, bool with_experts) {
  return sum_files(dir) + (with_experts ? sum_files(dir / vindex::layers_dir) : 0);
}

result<serve::model_facts> facts_of(const chat_model& model, const std::string& name) {
  const auto& dir = model.compute->vindex();
  const auto& c = model.compute->model().config;
  LARQL_TRY(const auto weights, vindex::name_weights(dir, c));
  auto out = serve::model_facts{};
  out.file =
      dir.filename().empty() ? dir.parent_path().filename().string() : dir.filename().string();
  out.name = !name.empty() ? name : fs::path{out.file}.stem().string();
  out.version = version_number();
  out.family = c.family;
  out.digest = to_hex(weights.digest.value_or(weights.fingerprint));
  LARQL_TRY(out.encoding, encoding_of(dir, c));
  const auto jinja = dir / vindex::chat_template_file;
  LARQL_TRY(const auto has_template, path_exists(jinja));
  if (has_template) {
    LARQL_TRY(out.chat_template, read_text_file(jinja, vindex::max_json_bytes));
  }
  out.bos = model.text.tokens.piece(model.text.tokens.bos());
  out.eos = piece_of(model.text, model.text.defaults.stop);
  out.parameters = parameters_of(c);
  out.size_bytes = resident_bytes(dir, true);
  out.trained_context = c.trained_context;
  out.vocabulary = c.vocab;
  out.layers = c.layers;
  out.experts = c.experts;
  out.experts_per_token = c.top_k;
  out.hidden = c.hidden;
  struct stat s {};
  if (::stat((dir / vindex::index_file).c_str(), &s) == 0)
    out.created = s.st_mtim.tv_sec;
  out.temperature = model.text.defaults.sample ? model.text.defaults.temperature : 0;
  out.top_k = model.text.defaults.top_k;
  out.top_p = model.text.defaults.top_p;
  return out;
}

} // namespace larql::cli
