#include "runtime/vindex/slice_parts.hpp"

#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <array>

namespace larql::vindex {

namespace {

struct part_name {
  part which;
  std::string_view name;
};
constexpr part_name part_names[] = {
    {part::index, "index"},
    {part::embed, "embed"},
    {part::norms, "norms"},
    {part::attn, "attn"},
    {part::gate, "gate"},
    {part::down_meta, "down_meta"},
    {part::ffn, "ffn"},
    {part::expert_layers, "expert_layers"},
    {part::lm_head, "lm_head"},
    {part::router, "router"},
    {part::tokenizer, "tokenizer"},
    {part::manifest, "manifest"},
    {part::labels, "labels"},
    {part::readme, "readme"},
    {part::drafter, "drafter"},
};

// A file of a part: a whole name, or the beginning of one if it ends in '*'.
struct pattern {
  part which;
  std::string_view name;
};
constexpr pattern patterns[] = {
    {part::index, index_file},
    {part::embed, embeddings_file},
    {part::embed, embeddings_any_file},
    {part::embed, embeddings_any_manifest_file},
    {part::embed, "ple_weights.bin"},
    {part::norms, norms_file},
    {part::attn, "attn_weights*"},
    {part::gate, "gate_vectors.bin"},
    {part::gate, "gate_vectors_*"},
    {part::down_meta, "down_meta.bin"},
    {part::down_meta, "down_meta.jsonl"},
    {part::ffn, "interleaved*"},
    {part::ffn, "up_weights.bin"},
    {part::ffn, "down_weights.bin"},
    {part::ffn, "up_features.bin"},
    {part::ffn, "down_features*"},
    {part::expert_layers, "layers/*"},
    {part::lm_head, "lm_head*"},
    {part::lm_head, head_any_file},
    {part::lm_head, head_any_manifest_file},
    {part::router, "router_weights.bin"},
    {part::tokenizer, tokenizer_file},
    {part::tokenizer, chat_template_file},
    {part::tokenizer, generation_config_file},
    {part::tokenizer, "tokenizer_config.json"},
    {part::tokenizer, "special_tokens_map.json"},
    {part::manifest, weight_manifest_file},
    {part::labels, "feature_labels.json"},
    {part::labels, "feature_clusters.jsonl"},
    {part::labels, "relation_clusters.json"},
    {part::readme, "README.md"},
    {part::drafter, drafter_file},
    {part::drafter, drafter_manifest_file},
    {part::drafter, drafter_weights_file},
};

bool matches(std::string_view pattern, std::string_view name) {
  return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1))
                                : name == pattern;
}

constexpr std::string_view attn_aliases[] = {"attention"};
constexpr std::string_view embed_aliases[] = {"embed-server"};
constexpr std::string_view server_aliases[] = {"ffn", "ffn-service"};
constexpr std::string_view expert_server_aliases[] = {"expert_server", "moe-server"};
constexpr std::string_view moe_client_aliases[] = {"moe_client", "laptop"};
constexpr std::string_view moe_experts_aliases[] = {"moe_experts", "experts"};

std::vector<preset> make_presets() {
  using enum part;
  return {
      {"moe-client",
       moe_client_aliases,
       "the laptop: everything but the experts",
       {embed, norms, attn, ffn, lm_head, tokenizer, manifest, drafter}},
      {"moe-experts",
       moe_experts_aliases,
       "an expert node: the experts and what it needs beside them",
       {norms, manifest, expert_layers}},
      {"expert-server",
       expert_server_aliases,
       "an expert node of the reference: also embeddings and dense layers",
       {embed, norms, ffn, expert_layers, tokenizer, manifest}},
      {"all",
       {},
       "every part",
       {embed, norms, attn, gate, down_meta, ffn, expert_layers, lm_head, router, tokenizer,
        manifest, labels, readme, drafter}},
      {"client",
       {},
       "the reference's client for dense models",
       {embed, norms, attn, tokenizer, manifest, labels}},
      {"attn", attn_aliases, "attention only", {norms, attn, manifest, labels}},
      {"embed", embed_aliases, "embeddings only", {embed, tokenizer, labels}},
      {"server",
       server_aliases,
       "the reference's feed-forward server for dense models",
       {embed, norms, gate, down_meta, ffn, tokenizer, manifest, labels}},
      {"browse",
       {},
       "the reference's feature browser",
       {embed, gate, down_meta, tokenizer, labels, readme}},
      {"router", {}, "the reference's router", {router, tokenizer, manifest, labels, readme}},
  };
}

} // namespace

std::string_view to_string(part p) noexcept {
  for (const auto& n : part_names)
    if (n.which == p)
      return n.name;
  return "?";
}

std::optional<part> part_of(std::string_view name) {
  // What editors and killed runs leave behind.
  for (const auto tail : {".bak", ".tmp", ".orig"})
    if (name.ends_with(tail))
      return std::nullopt;
  for (const auto& p : patterns)
    if (matches(p.name, name))
      return p.which;
  return std::nullopt;
}

const std::vector<preset>& presets() {
  static const auto all = make_presets();
  return all;
}

std::vector<std::string> preset_names() {
  auto out = std::vector<std::string>{};
  for (const auto& p : presets())
    out.emplace_back(p.name);
  return out;
}

result<const preset*> find_preset(std::string_view name) {
  auto names = std::string{};
  for (const auto& p : presets()) {
    if (p.name == name || std::find(p.aliases.begin(), p.aliases.end(), name) != p.aliases.end())
      return &p;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", p.name);
  }
  return fail(errc::usage, "preset is \"{}\", expected one of {}", name, names);
}

result<std::set<part>> parse_parts(std::string_view text, std::string_view what) {
  auto out = std::set<part>{};
  for (auto rest = text;;) {
    const auto comma = rest.find(',');
    const auto word = rest.substr(0, comma);
    const auto* found = std::find_if(std::begin(part_names), std::end(part_names),
                                     [&](const part_name& n) { return n.name == word; });
    if (found == std::end(part_names)) {
      auto names = std::string{};
      for (const auto& n : part_names)
        names += fmt::format("{}{}", names.empty() ? "" : ", ", n.name);
      return fail(errc::usage, "{} names \"{}\", expected some of {}", what, word, names);
    }
    out.insert(found->which);
    if (comma == std::string_view::npos)
      return out;
    rest.remove_prefix(comma + 1);
  }
}

std::string to_string(const std::set<part>& parts) {
  auto out = std::string{};
  for (const auto p : parts)
    out += fmt::format("{}{}", out.empty() ? "" : ",", to_string(p));
  return out;
}

} // namespace larql::vindex
