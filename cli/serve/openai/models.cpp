#include "cli/serve/openai/models.hpp"

#include "cli/serve/api/time_text.hpp"

namespace larql::serve::openai {

ordered_json model_json(const model_facts& model) {
  auto out = ordered_json::object();
  out["id"] = model.name;
  out["object"] = "model";
  out["created"] = model.created;
  out["owned_by"] = "larql";
  out["type"] = "model";
  out["display_name"] = model.name;
  out["created_at"] = time_text(model.created, 0);
  auto& meta = out["meta"];
  meta["n_ctx"] = model.context;
  meta["n_ctx_train"] = model.trained_context;
  meta["n_vocab"] = model.vocabulary;
  meta["n_embd"] = model.hidden;
  meta["n_params"] = model.parameters;
  meta["size"] = model.size_bytes;
  return out;
}

ordered_json models_json(const model_facts& model) {
  auto out = ordered_json::object();
  out["object"] = "list";
  out["data"] = ordered_json::array();
  out["data"].push_back(model_json(model));
  out["has_more"] = false;
  out["first_id"] = model.name;
  out["last_id"] = model.name;
  return out;
}

ordered_json props_json(const model_facts& model) {
  auto out = ordered_json::object();
  auto& defaults = out["default_generation_settings"];
  defaults["n_ctx"] = model.context;
  auto& params = defaults["params"];
  params["temperature"] = model.temperature;
  params["top_k"] = model.top_k;
  params["top_p"] = model.top_p;
  params["enable_thinking"] = model.thinking;
  out["total_slots"] = model.parallel;
  out["model_alias"] = model.name;
  out["model_path"] = model.file;
  out["chat_template"] = model.chat_template;
  out["modalities"]["vision"] = false;
  out["modalities"]["audio"] = false;
  out["bos_token"] = model.bos;
  out["eos_token"] = model.eos;
  out["build_info"] = "larql-" + model.version;
  return out;
}

} // namespace larql::serve::openai
