#include "cli/serve/ollama/models.hpp"

#include "cli/serve/api/time_text.hpp"

namespace larql::serve::ollama {

namespace {

// The version of Ollama whose API this is: clients look for the least one that has what they need.
constexpr auto spoken_version = "0.12.6";

// The model never leaves while the server runs.
constexpr auto never = "9999-12-31T23:59:59Z";

ordered_json details(const model_facts& model) {
  auto out = ordered_json::object();
  out["parent_model"] = "";
  out["format"] = "vindex";
  out["family"] = model.family;
  out["families"] = ordered_json::array();
  out["families"].push_back(model.family);
  out["parameter_size"] = parameter_text(model.parameters);
  out["quantization_level"] = model.encoding;
  return out;
}

// What a list of models has of each.
ordered_json entry(const model_facts& model) {
  auto out = ordered_json::object();
  out["name"] = model.name;
  out["model"] = model.name;
  out["size"] = model.size_bytes;
  out["digest"] = model.digest;
  out["details"] = details(model);
  return out;
}

ordered_json list_of(ordered_json one) {
  auto out = ordered_json::object();
  out["models"] = ordered_json::array();
  out["models"].push_back(std::move(one));
  return out;
}

} // namespace

ordered_json tags_json(const model_facts& model) {
  auto out = entry(model);
  out["modified_at"] = time_text(model.created, 0);
  return list_of(std::move(out));
}

ordered_json ps_json(const model_facts& model) {
  auto out = entry(model);
  out["expires_at"] = never;
  out["size_vram"] = 0;
  out["context_length"] = model.context;
  return list_of(std::move(out));
}

ordered_json show_json(const model_facts& model) {
  auto out = ordered_json::object();
  out["license"] = "";
  out["modelfile"] = "";
  out["parameters"] = fmt::format("temperature {}\ntop_k {}\ntop_p {}", model.temperature,
                                  model.top_k, model.top_p);
  out["template"] = model.chat_template;
  out["details"] = details(model);
  auto& info = out["model_info"];
  const auto& family = model.family;
  info["general.architecture"] = family;
  info["general.basename"] = model.name;
  info["general.parameter_count"] = model.parameters;
  info[family + ".context_length"] = model.context;
  info[family + ".embedding_length"] = model.hidden;
  info[family + ".block_count"] = model.layers;
  info[family + ".expert_count"] = model.experts;
  info[family + ".expert_used_count"] = model.experts_per_token;
  out["capabilities"] = ordered_json::array({"completion", "tools", "thinking"});
  out["modified_at"] = time_text(model.created, 0);
  return out;
}

ordered_json version_json(const model_facts& model) {
  auto out = ordered_json::object();
  out["version"] = spoken_version;
  out["larql"] = model.version;
  return out;
}

} // namespace larql::serve::ollama
