// larql inspect: what a vindex holds.

#include "cli/laptop/inspect_report.hpp"
#include "cli/support/command.hpp"
#include "cli/support/model_path.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/drafter.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "runtime/vindex/manifest.hpp"
#include "runtime/vindex/presence.hpp"
#include "runtime/vindex/storage.hpp"

#include <algorithm>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

// "Q4_K 24, Q6_K 6" of a manifest.
result<std::map<std::string, unsigned>> encodings(const fs::path& manifest,
                                                  std::uint64_t data_bytes) {
  LARQL_TRY(const auto entries, vindex::read_matrix_manifest(manifest, data_bytes));
  auto out = std::map<std::string, unsigned>{};
  for (const auto& e : entries)
    ++out[std::string{quant::name_of(e.format)}];
  return out;
}

// `usual` is what a file without a manifest holds.
result<inspected_part> look_at(const vindex::storage& files, const char* name,
                               std::string_view data, std::string_view manifest = {},
                               const char* usual = nullptr) {
  auto out = inspected_part{};
  out.name = name;
  out.file = data;
  LARQL_TRY(const auto exists, files.has(data));
  if (!exists)
    return out;
  LARQL_TRY(const auto in, files.open_file(data));
  out.bytes = in.size_bytes();
  LARQL_TRY(const auto described, path_exists(files.dir() / manifest));
  if (!manifest.empty() && described) {
    LARQL_TRY(out.encodings, encodings(files.dir() / manifest, in.size_bytes()));
  } else if (usual != nullptr) {
    out.encodings[usual] = 1;
  }
  return out;
}

// In the reference's files, or in ours for other encodings.
result<inspected_part> look_at_embeddings(const vindex::storage& files,
                                          const vindex::model_config& c) {
  LARQL_TRY(const auto any, files.has(vindex::embeddings_any_manifest_file));
  if (any)
    return look_at(files, "embeddings", vindex::embeddings_any_file,
                   vindex::embeddings_any_manifest_file);
  const auto in = files.open_file(vindex::embeddings_file);
  const auto half = in && in->size_bytes() == std::uint64_t{2} * c.vocab * c.hidden;
  return look_at(files, "embeddings", vindex::embeddings_file, "", half ? "F16" : "F32");
}

result<inspected_part> look_at_head(const vindex::storage& files, const vindex::presence& here) {
  LARQL_TRY(const auto any, files.has(vindex::head_any_manifest_file));
  if (any)
    return look_at(files, "output head", vindex::head_any_file, vindex::head_any_manifest_file);
  LARQL_TRY(const auto q4, files.has(vindex::head_q4_file));
  if (q4)
    return look_at(files, "output head", vindex::head_q4_file, "", "Q4_K");
  const auto left_out =
      here.left_out.contains(vindex::part::lm_head) || here.left_out.contains(vindex::part::embed);
  return inspected_part{
      "output head", "", {}, {}, left_out ? "   absent" : "tied to the embeddings"};
}

std::uint32_t held_experts(const vindex::presence& here, std::uint32_t layer,
                           const vindex::layer_header& h) {
  auto held = 0u;
  for (auto e = 0u; e < h.entries.size(); ++e)
    held += here.has(layer, e) ? 1 : 0;
  return held;
}

result<inspected_bank> look_at_experts(const vindex::storage& files, const vindex::model_config& c,
                                       const vindex::presence& here) {
  auto out = inspected_bank{};
  for (auto l = 0u; l < c.layers; ++l) {
    const auto name = vindex::layer_file_name(l);
    LARQL_TRY(const auto exists, files.has(name));
    if (!exists) {
      if (here.has_layer(l))
        out.missing.push_back(l);
      continue;
    }
    LARQL_TRY(const auto in, files.open_file(name));
    LARQL_TRY(const auto h, vindex::read_layer_header(in, c));
    const auto held = held_experts(here, l, h);
    const auto is_first = out.layers.empty();
    out.layers.push_back(l);
    // The rest are holes.
    out.bytes +=
        held == h.entries.size() ? in.size_bytes() : h.table_bytes + held * h.expert_bytes();
    out.least_held = is_first ? held : std::min(out.least_held, held);
    out.most_held = std::max(out.most_held, held);
    out.least_bytes = is_first ? h.expert_bytes() : std::min(out.least_bytes, h.expert_bytes());
    out.most_bytes = std::max(out.most_bytes, h.expert_bytes());
    const auto gate = quant::name_of(h.formats.gate), up = quant::name_of(h.formats.up);
    const auto gate_up =
        gate == up ? fmt::format("gate_up {}", gate) : fmt::format("gate {}, up {}", gate, up);
    ++out.formats[fmt::format("{}, down {} ({} columns)", gate_up, quant::name_of(h.formats.down),
                              h.down_cols)];
  }
  return out;
}

// Of the Hub's models: what the cache has. If that is nothing, as little is fetched as tells the
// shapes: the manifest of norms, and the heads of layer files.
result<fs::path> find(const std::string& model) {
  if (hub::is_hub_path(model))
    if (auto cached = cached_model(model); cached || cached.error().code != errc::not_found)
      return cached;
  auto needs = hub::pull_request{};
  needs.parts = {vindex::part::manifest, vindex::part::expert_layers};
  needs.heads = true;
  if (!hub::is_hub_path(model)) // what the file says is here
    needs.parts->insert(vindex::part::tokenizer);
  return resolve_model(model, needs);
}

result<inspection> inspect(const std::string& model) {
  LARQL_TRY(const auto dir, find(model));
  LARQL_TRY(const auto files, vindex::storage::open(dir));
  auto out = inspection{};
  LARQL_TRY(out.model, vindex::read_index(dir));
  LARQL_TRY(out.here, vindex::read_presence(dir, out.model));
  LARQL_TRY(out.repository, hub::read_pull_state(hub::pull_layout{dir}));
  LARQL_TRY(const auto where, vindex::read_locations(dir));
  if (where)
    for (const auto& f : where->files)
      if (f.stamp)
        out.places.push_back({f.path.string(), f.stamp->bytes});
  LARQL_TRY(const auto sums, vindex::read_checksums(dir));
  if (sums)
    out.digest = vindex::weights_digest(*sums);
  const auto add = [](result<inspected_part> part,
                      std::vector<inspected_part>& to) -> result<void> {
    if (!part)
      return std::move(part).error();
    to.push_back(*std::move(part));
    return {};
  };
  LARQL_TRY_VOID(add(look_at_embeddings(files, out.model), out.parts));
  LARQL_TRY_VOID(add(look_at_head(files, out.here), out.parts));
  LARQL_TRY_VOID(
      add(look_at(files, "attention", vindex::attention_file, vindex::attention_manifest_file),
          out.parts));
  LARQL_TRY_VOID(
      add(look_at(files, "dense", vindex::dense_file, vindex::dense_manifest_file), out.parts));
  LARQL_TRY_VOID(add(look_at(files, "norms", vindex::norms_file, "", "F32"), out.parts));
  LARQL_TRY(const auto drafter, vindex::read_drafter(dir, out.model));
  if (drafter)
    LARQL_TRY_VOID(
        add(look_at(files, "drafter", vindex::drafter_weights_file, vindex::drafter_manifest_file),
            out.parts));
  LARQL_TRY(out.bank, look_at_experts(files, out.model, out.here));
  for (const auto name :
       {vindex::tokenizer_file, vindex::chat_template_file, vindex::generation_config_file})
    LARQL_TRY_VOID(add(look_at(files, "text", name), out.texts));
  return out;
}

struct options {
  std::string model;
  bool json = false;
};

result<void> run(const options& o) {
  LARQL_TRY(const auto found, inspect(o.model));
  print_text(o.json ? json_of(found) : text_of(found));
  return {};
}

} // namespace

void add_inspect(command_parser& app, action& chosen) {
  auto command = app.add_command("inspect", "Show what a model holds");
  auto o = std::make_shared<options>();
  command
      .add_option("vindex", o->model,
                  "Vindex, GGUF file, checkpoint, or hf://OWNER/NAME: what the cache holds of it")
      .required();
  command.add_flag("--json", o->json, "For programs");
  command.footer("larql inspect gemma4.vindex\n"
                 "larql inspect hf://ann/gemma4-vindex");
  command.callback([o, &chosen] { chosen = [o] { return exit_code(run(*o)); }; });
}

} // namespace larql::cli
