#include "runtime/import/drafter_checkpoint.hpp"

#include "runtime/base/json.hpp"
#include "runtime/import/gguf_config.hpp"
#include "runtime/import/gguf_names.hpp"
#include "runtime/import/gguf_parts.hpp"
#include "runtime/import/hf_config.hpp"
#include "runtime/import/hf_parts.hpp"
#include "runtime/vindex/format.hpp"

#include <set>

namespace larql::import {

namespace {

namespace fs = std::filesystem;

bool is_folder(const fs::path& path) {
  auto error = std::error_code{};
  return fs::is_directory(path, error);
}

result<void> add_tensor(checkpoint& to, std::string key, source_tensor t) {
  const auto name = t.name;
  if (!to.tensors.emplace(std::move(key), std::move(t)).second)
    return fail(errc::corrupt, "{}: tensor \"{}\" occurs twice", to.description, name);
  return {};
}

// The embeddings are the head, so they tell the vocabulary.
result<void> read_vocabulary(drafter_checkpoint& d) {
  const auto it = d.source.tensors.find("embed_tokens.weight");
  if (it == d.source.tensors.end() || it->second.shape.size() != 2 ||
      it->second.rows() > vindex::max_vocab)
    return fail(errc::corrupt, "{}: its embeddings are missing or no matrix", d.source.description);
  d.config.target.vocab = static_cast<std::uint32_t>(it->second.rows());
  return {};
}

result<void> check_tensors(const drafter_checkpoint& d) {
  auto known = std::set<std::string>{};
  for (const auto& t : vindex::drafter_tensors(d.config)) {
    known.insert(t.key);
    if (t.is_optional && !d.source.tensors.contains(t.key))
      continue;
    auto shape = std::vector<std::uint64_t>{t.cols};
    if (!t.is_vector)
      shape.insert(shape.begin(), t.rows);
    LARQL_TRY(const auto* found, d.source.find(t.key, std::move(shape)));
    if (t.is_vector && quant::shape_of(found->format).weights != 1)
      return fail(errc::unsupported, "{}: tensor \"{}\" is {}, expected F32, F16 or BF16",
                  d.source.description, found->name, quant::name_of(found->format));
  }
  for (const auto& [key, t] : d.source.tensors)
    if (!known.contains(key))
      return fail(errc::unsupported, "{}: tensor \"{}\" is none of a Gemma 4 drafter of {} layers",
                  d.source.description, t.name, d.config.layers());
  return {};
}

std::string name_of(const fs::path& path) {
  const auto p = fs::absolute(path).lexically_normal();
  return (p.has_filename() ? p : p.parent_path()).filename().string();
}

result<drafter_checkpoint> open_gguf_drafter(const fs::path& path) {
  LARQL_TRY(auto opened, open_whole_gguf(path));
  const auto parts = std::make_shared<std::vector<gguf_file>>(std::move(opened));
  auto out = drafter_checkpoint{};
  auto& c = out.source;
  c.owner = parts;
  c.description = parts->front().path().string();
  LARQL_TRY(out.config, read_gguf_drafter_config(parts->front().metadata()));
  for (auto p = 0u; p < parts->size(); ++p) {
    const auto& part = (*parts)[p];
    c.fingerprint += stamp_of(part.path());
    for (const auto& t : part.head().tensors) {
      auto key = drafter_key(t.name, out.config.layers());
      if (key.empty())
        key = std::string{t.name}; // named by check_tensors
      LARQL_TRY(auto tensor, read_gguf_tensor(part, p, t));
      LARQL_TRY_VOID(add_tensor(c, std::move(key), std::move(tensor)));
    }
  }
  LARQL_TRY_VOID(
      take_rope_divisors(c, out.config.target.global_head_dim, out.config.target.partial_rotary));
  return out;
}

result<drafter_checkpoint> open_hf_drafter(const fs::path& dir) {
  const auto config = dir / hf_config_file;
  LARQL_TRY(const auto text, read_text_file(config, vindex::max_json_bytes));
  auto out = drafter_checkpoint{};
  LARQL_TRY(out.config, parse_hf_drafter_config(text, config.string()));
  LARQL_TRY(auto opened, open_hf_parts(dir));
  const auto parts = std::make_shared<std::vector<safetensors_file>>(std::move(opened));
  auto& c = out.source;
  c.owner = parts;
  c.description = dir.string();
  c.fingerprint = stamp_of(config);
  for (auto p = 0u; p < parts->size(); ++p) {
    const auto& part = (*parts)[p];
    c.fingerprint += stamp_of(part.path());
    for (const auto& t : part.head().tensors) {
      auto key = std::string{without_hf_prefix(t.name)};
      if (key == "lm_head.weight") { // the embeddings once more
        c.skipped.push_back(t.name);
        continue;
      }
      LARQL_TRY(auto tensor, read_hf_tensor(part, p, t));
      LARQL_TRY_VOID(add_tensor(c, std::move(key), std::move(tensor)));
    }
  }
  return out;
}

} // namespace

bool is_drafter(const fs::path& path) {
  if (is_folder(path)) {
    const auto config = parse_json_file(path / hf_config_file, vindex::max_json_bytes);
    return config && is_hf_drafter(*config);
  }
  const auto file = gguf_file::open(path);
  if (!file)
    return false;
  const auto architecture = file->metadata().string("general.architecture");
  return architecture && *architecture == vindex::drafter_kind;
}

result<drafter_checkpoint> open_drafter(const fs::path& path) {
  LARQL_TRY(auto out, is_folder(path) ? open_hf_drafter(path) : open_gguf_drafter(path));
  out.config.source = name_of(path);
  LARQL_TRY_VOID(read_vocabulary(out));
  LARQL_TRY_VOID(check_tensors(out));
  return out;
}

} // namespace larql::import
