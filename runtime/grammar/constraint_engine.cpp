#include "runtime/grammar/compiled_rules.hpp"
#include "runtime/grammar/constraint.hpp"
#include "runtime/grammar/schema.hpp"
#include "runtime/text/utf8.hpp"

#include <algorithm>
#include <utility>

namespace larql::grammar {

namespace {

mask_ptr list_of(std::vector<std::uint32_t> tokens, std::size_t vocabulary) {
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  return std::make_shared<const token_mask>(token_mask::of_list(std::move(tokens), vocabulary));
}

mask_ptr all_but(std::uint32_t token, std::size_t vocabulary) {
  auto bits = std::vector<std::uint64_t>((vocabulary + 63) / 64, ~std::uint64_t{0});
  if (vocabulary % 64 != 0)
    bits.back() = (std::uint64_t{1} << vocabulary % 64) - 1;
  bits[token / 64] &= ~(std::uint64_t{1} << token % 64);
  return std::make_shared<const token_mask>(token_mask::of_bits(std::move(bits), vocabulary));
}

/// What of an output is constrained at all.
bool is_free(const output_rules& rules) {
  const auto strict = std::any_of(rules.tools.begin(), rules.tools.end(),
                                  [](const auto& tool) { return tool.strict; });
  return rules.form == content_form::text && !rules.thought_budget &&
         (rules.tools.empty() ||
          (rules.choice == tool_choice::automatic && !strict && rules.parallel_calls));
}

result<void> check(const output_rules& rules, const control_tokens& control) {
  LARQL_TRY_VOID(text::check_tools(rules.tools));
  const auto is_only = [&](const auto& tool) { return tool.name == rules.only_tool; };
  if (rules.choice == tool_choice::required && rules.tools.empty())
    return fail(errc::usage, "a tool must be called, and there is none");
  if (!rules.only_tool.empty() && std::none_of(rules.tools.begin(), rules.tools.end(), is_only))
    return fail(errc::usage, "tool {} must be called, and is not among the tools",
                text::in_quotes(rules.only_tool));
  const auto need = [](const char* piece, bool there) -> result<void> {
    if (!there)
      return fail(errc::mismatch, "the tokenizer has no control token {}", text::in_quotes(piece));
    return {};
  };
  if (!rules.tools.empty()) {
    LARQL_TRY_VOID(need("<|tool_call>", control.call_begin.has_value()));
    LARQL_TRY_VOID(need("<tool_call|>", control.call_end.has_value()));
  }
  if (rules.thinking || rules.in_thought)
    return need("<channel|>", control.channel_end.has_value());
  return {};
}

result<network> content_network(const output_rules& rules) {
  auto net = network_builder{};
  auto forms = value_forms{net, value_style::json};
  if (rules.schema.empty())
    return net.finish(forms.any_object());
  LARQL_TRY(const auto start, add_schema(forms, rules.schema, "the schema"));
  return net.finish(start);
}

// call:NAME{…}<tool_call|>
result<network> call_network(const output_rules& rules) {
  auto net = network_builder{};
  auto forms = value_forms{net, value_style::call};
  const auto end = net.symbols(std::vector<symbol>{call_end_symbol}, net.end());
  auto branches = std::vector<network_builder::branch>{};
  for (const auto& tool : rules.tools) {
    if (!rules.only_tool.empty() && tool.name != rules.only_tool)
      continue;
    auto arguments = forms.any_object();
    if (tool.strict) {
      const auto none = tool.parameters.empty() || tool.parameters == "{}";
      const auto name = "the parameters of tool " + text::in_quotes(tool.name);
      LARQL_TRY(arguments, add_schema(forms,
                                      none ? R"({"type":"object","additionalProperties":false})"
                                           : tool.parameters,
                                      name));
    }
    auto spelled = std::vector<symbol>{};
    for (const auto c : tool.name)
      spelled.push_back(static_cast<unsigned char>(c));
    branches.push_back({std::move(spelled), net.call(arguments, end)});
  }
  return net.finish(net.bytes("call:", net.any_sequence(std::move(branches))));
}

} // namespace

engine_core::engine_core(const text::tokenizer& tokens, std::size_t mask_bytes)
    : trie(std::make_shared<const vocabulary_trie>(tokens)), masks(mask_bytes) {
  const auto find = [&](std::string_view piece) -> std::optional<std::uint32_t> {
    const auto id = tokens.find(piece);
    return id && tokens.is_control(*id) ? id : std::nullopt;
  };
  control = {find("<|channel>"), find("<channel|>"), find("<|tool_call>"), find("<tool_call|>")};
  if (control.channel_end) {
    auto bits = trie->text_tokens();
    bits[*control.channel_end / 64] |= std::uint64_t{1} << *control.channel_end % 64;
    thought = std::make_shared<const token_mask>(
        token_mask::of_bits(std::move(bits), trie->vocabulary()));
  }
}

constraint_engine::constraint_engine(const text::tokenizer& tokens,
                                     std::vector<std::uint32_t> stop_tokens,
                                     const engine_options& options)
    : core_(std::make_shared<engine_core>(tokens, options.mask_bytes)),
      max_compiled_(options.compiled) {
  std::erase_if(stop_tokens, [&](auto token) { return token >= tokens.size(); });
  std::sort(stop_tokens.begin(), stop_tokens.end());
  core_->stops = std::move(stop_tokens);
}

std::shared_ptr<constraint_engine> constraint_engine::create(const text::tokenizer& tokens,
                                                             std::vector<std::uint32_t> stop_tokens,
                                                             const engine_options& options) {
  return std::shared_ptr<constraint_engine>{
      new constraint_engine{tokens, std::move(stop_tokens), options}};
}

std::size_t constraint_engine::mask_bytes() const {
  return core_->masks.bytes();
}

result<constraint> constraint_engine::compile(const output_rules& rules) {
  LARQL_TRY_VOID(check(rules, core_->control));
  if (is_free(rules))
    return constraint{};
  if (core_->stops.empty())
    return fail(errc::usage, "no token ends an output");
  const auto lock = std::lock_guard{mutex_};
  const auto known = std::find_if(compiled_.begin(), compiled_.end(),
                                  [&](const auto& c) { return c->rules == rules; });
  if (known != compiled_.end()) {
    std::rotate(known, known + 1, compiled_.end());
    return constraint{compiled_.back()};
  }
  LARQL_TRY(auto made, make(rules));
  compiled_.push_back(made);
  if (compiled_.size() > max_compiled_)
    compiled_.erase(compiled_.begin());
  return constraint{std::move(made)};
}

result<std::shared_ptr<const compiled_rules>> constraint_engine::make(const output_rules& rules) {
  auto out = std::make_shared<compiled_rules>();
  out->rules = rules;
  out->core = core_;
  out->id = next_id_++;
  const auto& control = core_->control;
  const auto vocabulary = core_->trie->vocabulary();
  if (rules.form == content_form::json_object && !out->must_call()) {
    LARQL_TRY(auto net, content_network(rules));
    out->content = std::make_unique<compiled_grammar>(std::move(net), core_->trie);
  }
  out->end = list_of(core_->stops, vocabulary);
  if (control.channel_end)
    out->end_thought = list_of({*control.channel_end}, vocabulary);
  if (out->may_call()) {
    LARQL_TRY(auto net, call_network(rules));
    out->calls = std::make_unique<compiled_grammar>(std::move(net), core_->trie);
    out->first_call = list_of({*control.call_begin}, vocabulary);
    out->first_call_or_thought =
        control.channel_begin ? list_of({*control.call_begin, *control.channel_begin}, vocabulary)
                              : out->first_call;
    auto after = core_->stops;
    if (rules.parallel_calls)
      after.push_back(*control.call_begin);
    out->after_call = list_of(std::move(after), vocabulary);
  } else if (!rules.tools.empty()) {
    out->text = all_but(*control.call_begin, vocabulary);
  }
  return std::shared_ptr<const compiled_rules>{std::move(out)};
}

} // namespace larql::grammar
