#include "cli/serve/api/sampling_fields.hpp"

#include "runtime/base/parse_number.hpp"

#include <limits>

namespace larql::serve {

namespace {

// Bounds that keep a request from holding memory or time for nothing.
constexpr auto most_stops = std::size_t{64};
constexpr auto most_stop_bytes = std::size_t{4096};
constexpr auto most_biases = std::size_t{4096};
constexpr auto most_tokens = std::int64_t{1} << 30;
constexpr auto most_token_ids = std::int64_t{1} << 24;

// The value of a bias that forbids a token, as llama.cpp spells it with `false`.
constexpr auto forbids = -std::numeric_limits<float>::infinity();

void read_seed(field_reader& fields, std::optional<std::uint64_t>& out) {
  const auto* value = fields.find("seed");
  if (value == nullptr)
    return;
  if (value->is_number_unsigned()) {
    out = value->get<std::uint64_t>();
    return;
  }
  auto n = std::int64_t{0};
  // -1 asks for a random one.
  if (fields.integer("seed", std::numeric_limits<std::int64_t>::min(),
                     std::numeric_limits<std::int64_t>::max(), n) &&
      n != -1)
    out = static_cast<std::uint64_t>(n);
}

// An entry of a bias, whose token came as text or number.
void add_bias(field_reader& fields, const std::optional<std::int64_t>& token,
              const ordered_json& value, sampling_request& out) {
  if (!token || *token < 0 || *token > most_token_ids)
    return fields.wrong("logit_bias", "expected token ids as keys");
  if (value.is_boolean() && !value.get<bool>()) {
    out.bias.emplace_back(static_cast<std::uint32_t>(*token), forbids);
    return;
  }
  if (!value.is_number() || !(value.get<double>() >= -100 && value.get<double>() <= 100))
    return fields.wrong("logit_bias",
                        fmt::format("is {}, expected numbers from -100 to 100", brief(value)));
  out.bias.emplace_back(static_cast<std::uint32_t>(*token), value.get<float>());
}

void read_bias(field_reader& fields, sampling_request& out) {
  const auto* value = fields.find("logit_bias");
  if (value == nullptr)
    return;
  if (value->is_structured() && value->size() > most_biases)
    return fields.wrong("logit_bias", fmt::format("has {} entries, at most {} are taken",
                                                  value->size(), most_biases));
  if (value->is_object()) {
    for (const auto& [token, bias] : value->items())
      add_bias(fields, parse_number<std::int64_t>(token), bias, out);
  } else if (value->is_array()) {
    for (const auto& entry : *value)
      if (entry.is_array() && entry.size() == 2 && entry[0].is_number_integer())
        add_bias(fields, entry[0].get<std::int64_t>(), entry[1], out);
      else
        fields.wrong("logit_bias", "expected pairs of a token id and a number");
  } else {
    fields.wrong("logit_bias", fmt::format("expected an object, found {}", brief(*value)));
  }
}

void refuse_other_samplers(field_reader& fields) {
  const auto refuse = [&](const char* key, const std::vector<ordered_json>& off) {
    fields.refuse(key, "this server has no such sampler", off);
  };
  refuse("mirostat", {0, false});
  refuse("typical_p", {1.0, 0});
  refuse("tfs_z", {1.0, 0});
  refuse("top_a", {0});
  refuse("top_n_sigma", {-1, 0});
  refuse("xtc_probability", {0});
  refuse("dry_multiplier", {0});
  refuse("dynatemp_range", {0});
  refuse("epsilon_cutoff", {0});
  refuse("eta_cutoff", {0});
  refuse("no_repeat_ngram_size", {0});
  fields.refuse("grammar", "give a JSON schema instead", {""});
  fields.refuse("guided_regex", "give a JSON schema instead", {""});
  fields.refuse("guided_grammar", "give a JSON schema instead", {""});
}

} // namespace

void read_sampling(field_reader& fields, sampling_request& out) {
  fields.number("temperature", 0, 100, out.temperature);
  fields.number("top_p", 0, 1, out.top_p);
  fields.number("min_p", 0, 1, out.min_p);
  auto top_k = std::int64_t{0};
  if (fields.integer("top_k", -1, most_token_ids, top_k))
    out.top_k = static_cast<std::uint32_t>(std::max<std::int64_t>(top_k, 0)); // -1: all, as 0
  fields.number("repetition_penalty", 0.01, 100, out.repetition_penalty);
  fields.number("repeat_penalty", 0.01, 100, out.repetition_penalty);
  fields.number("presence_penalty", -2, 2, out.presence_penalty);
  fields.number("frequency_penalty", -2, 2, out.frequency_penalty);
  read_seed(fields, out.seed);
  read_bias(fields, out);
  refuse_other_samplers(fields);
}

void read_stops(field_reader& fields, const char* key, std::vector<std::string>& out) {
  const auto* value = fields.find(key);
  if (value == nullptr)
    return;
  const auto add = [&](const ordered_json& stop) {
    if (!stop.is_string())
      return fields.wrong(key, fmt::format("expected texts, found {}", brief(stop)));
    const auto& text = stop.get_ref<const std::string&>();
    if (text.size() > most_stop_bytes)
      return fields.wrong(key, fmt::format("has a text of {} bytes, at most {} are taken",
                                           text.size(), most_stop_bytes));
    if (!text.empty())
      out.push_back(text);
  };
  if (!value->is_array())
    return add(*value);
  if (value->size() > most_stops)
    return fields.wrong(
        key, fmt::format("has {} texts, at most {} are taken", value->size(), most_stops));
  for (const auto& stop : *value)
    add(stop);
}

void read_max_tokens(field_reader& fields, std::initializer_list<const char*> keys,
                     std::optional<std::uint32_t>& out) {
  for (const auto* key : keys) {
    auto n = std::int64_t{0};
    if (!fields.integer(key, -2, most_tokens, n))
      continue;
    if (n >= 0)
      out = static_cast<std::uint32_t>(std::max<std::int64_t>(n, 1));
    return;
  }
}

void read_schema(field_reader& fields, const char* key, grammar::output_rules& out) {
  const auto* schema = fields.find(key);
  if (schema == nullptr)
    return fields.wrong(key, "is missing: a JSON schema");
  if (!schema->is_object() && !schema->is_boolean())
    return fields.wrong(key, fmt::format("expected a JSON schema, found {}", brief(*schema)));
  out.form = grammar::content_form::json_object;
  out.schema = to_text(*schema);
}

} // namespace larql::serve
