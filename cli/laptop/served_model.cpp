#include "cli/laptop/served_model.hpp"

#include "cli/support/version.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/hub/repo.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "runtime/vindex/storage.hpp"

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

// Of matrices that lie in files outside the directory.
std::uint64_t located_bytes(const fs::path& dir, bool with_experts) {
  const auto where = vindex::read_locations(dir);
  if (!where || !*where)
    return 0;
  auto out = std::uint64_t{0};
  for (const auto& [name, stored] : (*where)->stored)
    if (with_experts || !name.starts_with(vindex::layers_dir))
      for (const auto& run : stored.runs)
        if ((*where)->files[run.file].stamp)
          out += run.bytes * run.count;
  return out;
}

// What the user called the model, without where it is: a directory of the cache has a name that
// nobody has chosen.
std::string last_name(const std::string& named, const fs::path& dir) {
  if (hub::is_hub_path(named))
    if (const auto address = hub::parse_model_address(named)) {
      if (!address->file.empty())
        return fs::path{address->file}.filename().string();
      return address->quant.empty() ? address->repo.name
                                    : address->repo.name + "-" + address->quant;
    }
  const auto path = named.empty() ? dir : fs::path{named};
  return path.filename().empty() ? path.parent_path().filename().string()
                                 : path.filename().string();
}

// How most weights are stored: the experts' encoding, if their files are here.
result<std::string> encoding_of(const fs::path& dir, const vindex::model_config& model) {
  LARQL_TRY(const auto files, vindex::storage::open(dir));
  const auto name = vindex::layer_file_name(0);
  LARQL_TRY(const auto exists, files.has(name));
  if (!exists)
    return std::string{model.quant == vindex::quant_kind::q4k ? "Q4_K" : "lossless"};
  LARQL_TRY(const auto in, files.open_file(name));
  LARQL_TRY(const auto header, vindex::read_layer_header(in, model));
  return std::string{quant::name_of(quant::vindex_encoding(header.formats.gate))};
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
  return sum_files(dir) + (with_experts ? sum_files(dir / vindex::layers_dir) : 0) +
         located_bytes(dir, with_experts);
}

result<serve::model_facts> facts_of(const chat_model& model, const std::string& name) {
  const auto& dir = model.compute->vindex();
  const auto& c = model.compute->model().config;
  LARQL_TRY(const auto weights, vindex::name_weights(dir, c));
  auto out = serve::model_facts{};
  out.file = last_name(model.compute->options().named, dir);
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
