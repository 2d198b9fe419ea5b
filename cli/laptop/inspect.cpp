// larql inspect: what a vindex holds.

#include "cli/support/command.hpp"
#include "cli/support/model_kind.hpp"
#include "cli/support/model_path.hpp"
#include "cli/support/progress.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/hub/pull_state.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "runtime/vindex/manifest.hpp"
#include "runtime/vindex/presence.hpp"

#include <algorithm>
#include <limits>
#include <map>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

void print_model(const vindex::model_config& c) {
  const auto sliding = std::count(c.sliding.begin(), c.sliding.end(), true);
  print("model       {} ({}, {})\n", c.model, c.family,
        c.quant == vindex::quant_kind::q4k ? "q4k" : "lossless");
  print("shape       {} layers ({} sliding with window {}, {} full), hidden {}, dense width {}, "
        "vocabulary {}\n",
        c.layers, sliding, c.window, c.layers - static_cast<std::size_t>(sliding), c.hidden,
        c.dense_width, c.vocab);
  print("attention   {} heads; sliding: {} KV heads of {}; full: {} KV heads of {}{}\n", c.q_heads,
        c.kv_heads, c.head_dim, c.global_kv_heads, c.global_head_dim, c.k_eq_v ? ", V is K" : "");
  print("experts     {} per layer, {} per token, width {}\n", c.experts, c.top_k, c.expert_width);
  if (c.trained_context != 0)
    print("context     {} tokens\n", c.trained_context);
}

// "Q4_K 24, Q6_K 6" for a manifest.
result<std::string> encodings(const fs::path& manifest, std::uint64_t data_bytes) {
  LARQL_TRY(const auto entries, vindex::read_matrix_manifest(manifest, data_bytes));
  auto counts = std::map<std::string_view, int>{};
  for (const auto& e : entries)
    ++counts[quant::name_of(e.format)];
  auto out = std::string{};
  for (const auto& [name, n] : counts)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, n);
  return out;
}

// `detail` is what is in the file, unless a manifest says it.
result<void> print_part(const fs::path& dir, const char* label, std::string_view data,
                        std::string_view manifest, std::string detail = {}) {
  const auto path = dir / data;
  LARQL_TRY(const auto exists, path_exists(path));
  if (!exists) {
    print("{:<11} {:>9}  {}\n", label, "absent", data);
    return {};
  }
  LARQL_TRY(const auto in, file::open(path));
  LARQL_TRY(const auto described, path_exists(dir / manifest));
  if (!manifest.empty() && described) {
    LARQL_TRY(detail, encodings(dir / manifest, in.size_bytes()));
  }
  print("{:<11} {:>9}  {}{}{}\n", label, format_bytes(in.size_bytes()), data,
        detail.empty() ? "" : "  ", detail);
  return {};
}

// Embeddings and head: in the reference's files, or in ours for other encodings.
result<void> print_vocabulary(const fs::path& dir, const vindex::model_config& c,
                              const vindex::presence& here) {
  LARQL_TRY(const auto any_embeddings, path_exists(dir / vindex::embeddings_any_manifest_file));
  if (any_embeddings) {
    LARQL_TRY_VOID(print_part(dir, "embeddings", vindex::embeddings_any_file,
                              vindex::embeddings_any_manifest_file));
  } else {
    auto error = std::error_code{};
    const auto half = fs::file_size(dir / vindex::embeddings_file, error) ==
                      std::uint64_t{2} * c.vocab * c.hidden;
    LARQL_TRY_VOID(
        print_part(dir, "embeddings", vindex::embeddings_file, "", half ? "F16 1" : "F32 1"));
  }
  LARQL_TRY(const auto any_head, path_exists(dir / vindex::head_any_manifest_file));
  if (any_head)
    return print_part(dir, "output head", vindex::head_any_file, vindex::head_any_manifest_file);
  LARQL_TRY(const auto q4_head, path_exists(dir / vindex::head_q4_file));
  if (q4_head)
    return print_part(dir, "output head", vindex::head_q4_file, "", "Q4_K 1");
  const auto left_out =
      here.left_out.contains(vindex::part::lm_head) || here.left_out.contains(vindex::part::embed);
  print("output head {}\n", left_out ? "   absent" : "tied to the embeddings");
  return {};
}

// Bytes of a layer file that are there; the rest are holes.
std::uint64_t held_bytes(const vindex::presence& here, std::uint32_t layer,
                         const vindex::layer_header& h, std::uint64_t file_bytes) {
  auto held = 0u;
  for (auto e = 0u; e < h.entries.size(); ++e)
    held += here.has(layer, e) ? 1 : 0;
  return held == h.entries.size() ? file_bytes : h.table_bytes + held * h.expert_bytes();
}

result<void> print_layers(const fs::path& dir, const vindex::model_config& c,
                          const vindex::presence& here) {
  auto formats = std::map<std::string, int>{};
  auto bytes = std::uint64_t{0};
  auto missing = std::vector<std::uint32_t>{};
  auto least = std::numeric_limits<std::uint64_t>::max(), most = std::uint64_t{0}; // per expert
  for (auto l = 0u; l < c.layers; ++l) {
    const auto path = dir / vindex::layer_file_name(l);
    LARQL_TRY(const auto exists, path_exists(path));
    if (!exists) {
      missing.push_back(l);
      continue;
    }
    LARQL_TRY(const auto in, file::open(path));
    LARQL_TRY(const auto h, vindex::read_layer_header(in, c));
    bytes += held_bytes(here, l, h, in.size_bytes());
    least = std::min(least, h.expert_bytes());
    most = std::max(most, h.expert_bytes());
    ++formats[fmt::format("gate_up {}, down {} ({} columns)", quant::name_of(h.gate_up_format),
                          quant::name_of(h.down_format), h.down_cols)];
  }
  if (missing.size() == c.layers) {
    print("expert bank {:>9}\n", "absent");
    return {};
  }
  print("expert bank {:>9}  {} of {} layers, {} experts of {}{} each\n", format_bytes(bytes),
        c.layers - missing.size(), c.layers, c.experts,
        least == most ? "" : format_bytes(least) + " to ", format_bytes(most));
  for (const auto& [format, n] : formats)
    print("{:<22} {} layers: {}\n", "", n, format);
  for (const auto l : missing)
    if (here.has_layer(l))
      print("{:<22} layer {} is missing\n", "", l);
  return {};
}

// What a slice was cut to, and which weights it belongs to.
result<void> print_origin(const fs::path& dir, const vindex::presence& here) {
  if (here.sliced)
    print("slice       {}{}{}: {}\n", here.preset.empty() ? to_string(here.parts) : here.preset,
          here.source.empty() ? "" : " of ", here.source, here.summary());
  LARQL_TRY(const auto sums, vindex::read_checksums(dir));
  const auto digest = sums ? vindex::weights_digest(*sums) : std::string{};
  print("checksums   {}\n", !sums            ? std::string{"absent"}
                            : digest.empty() ? std::string{"of the files only"}
                                             : "experts " + digest);
  return {};
}

// Of the Hub's models: what the cache has. If that is nothing, as little is fetched as tells the
// shapes: the manifest of norms, and the heads of layer files.
result<fs::path> find(const std::string& model) {
  if (auto cached = cached_model(model); cached || cached.error().code != errc::not_found)
    return cached;
  auto needs = hub::pull_request{};
  needs.parts = {vindex::part::manifest, vindex::part::expert_layers};
  needs.heads = true;
  return resolve_model(model, needs);
}

// Where a pulled directory came from, and how much there is.
result<void> print_repository(const fs::path& dir) {
  LARQL_TRY(const auto state, hub::read_pull_state(hub::pull_layout{dir}));
  if (!state)
    return {};
  auto bytes = std::uint64_t{0};
  for (const auto& f : state->files)
    bytes += f.bytes;
  print("repository  hf://{}@{} ({}): {} files, {}\n", state->repo, state->revision,
        state->commit.substr(0, 12), state->files.size(), format_bytes(bytes));
  return {};
}

result<void> run(const std::string& model) {
  LARQL_TRY(const auto dir, find(model));
  LARQL_TRY_VOID(require_vindex(dir));
  LARQL_TRY(const auto c, vindex::read_index(dir));
  LARQL_TRY(const auto here, vindex::read_presence(dir, c));
  print_model(c);
  LARQL_TRY_VOID(print_repository(dir));
  LARQL_TRY_VOID(print_origin(dir, here));
  LARQL_TRY_VOID(print_vocabulary(dir, c, here));
  LARQL_TRY_VOID(
      print_part(dir, "attention", vindex::attention_file, vindex::attention_manifest_file));
  LARQL_TRY_VOID(print_part(dir, "dense", vindex::dense_file, vindex::dense_manifest_file));
  LARQL_TRY_VOID(print_part(dir, "norms", vindex::norms_file, "", "F32"));
  LARQL_TRY_VOID(print_layers(dir, c, here));
  for (const auto name :
       {vindex::tokenizer_file, vindex::chat_template_file, vindex::generation_config_file})
    LARQL_TRY_VOID(print_part(dir, "text", name, ""));
  return {};
}

} // namespace

void add_inspect(command_parser& app, action& chosen) {
  auto command = app.add_command("inspect", "Show what a vindex holds");
  auto model = std::make_shared<std::string>();
  command
      .add_option("vindex", *model,
                  "Directory of the model, or hf://OWNER/NAME: what the cache holds of it")
      .required();
  command.footer("larql inspect gemma4.vindex\n"
                 "larql inspect hf://ann/gemma4-vindex");
  command.callback([model, &chosen] { chosen = [model] { return exit_code(run(*model)); }; });
}

} // namespace larql::cli
