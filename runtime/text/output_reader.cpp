#include "runtime/text/output_reader.hpp"

#include "runtime/text/trim.hpp"

#include <algorithm>
#include <utility>

namespace larql::text {

namespace {

// Longer text without its end is no name.
constexpr std::size_t max_channel_name = 32;
constexpr std::size_t max_call_name = 200;

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
}

// "weather" of "call:weather"; empty if it is something else.
std::string_view called_name(std::string_view text) {
  constexpr auto prefix = std::string_view{"call:"};
  text = trim(text);
  if (!text.starts_with(prefix))
    return {};
  text = trim(text.substr(prefix.size()));
  return text.find_first_of(" \n\t\"'(") == std::string_view::npos ? text : std::string_view{};
}

} // namespace

output_reader::output_reader(const tokenizer& tokens, bool in_thought)
    : tokens_(&tokens),
      mode_(in_thought ? mode::thought : mode::content),
      part_(in_thought ? output_part::thought : output_part::content) {
  const auto set = [&](tag t, std::string_view piece) {
    const auto id = tokens.find(piece);
    if (id && tokens.is_control(*id))
      tags_[static_cast<std::size_t>(t)] = *id;
  };
  set(tag::channel_begin, "<|channel>");
  set(tag::channel_end, "<channel|>");
  set(tag::call_begin, "<|tool_call>");
  set(tag::call_end, "<tool_call|>");
  set(tag::quote, "<|\"|>");
  set(tag::response_begin, "<|tool_response>");
  set(tag::response_end, "<tool_response|>");
  set(tag::turn_begin, "<|turn>");
}

output_reader::tag output_reader::tag_of(token_id token) const noexcept {
  if (!tokens_->is_control(token))
    return tag::none;
  for (auto t = static_cast<std::size_t>(tag::channel_begin); t < tags_.size(); ++t)
    if (tags_[t] == token)
      return static_cast<tag>(t);
  return tag::other;
}

void output_reader::emit(output_event::kind what, std::string_view text, events& out) const {
  const auto is_text = what == output_event::kind::content || what == output_event::kind::thought ||
                       what == output_event::kind::call_arguments;
  if (is_text && text.empty())
    return;
  if (is_text && !out.empty() && out.back().what == what) {
    out.back().text += text;
    return;
  }
  const auto of_call = what != output_event::kind::content && what != output_event::kind::thought;
  out.push_back({what, std::string{text}, of_call ? calls_ - 1 : 0});
}

// ---- text ---------------------------------------------------------------------------------------

void output_reader::on_text(std::string_view text, events& out) {
  switch (mode_) {
  case mode::content: return emit(output_event::kind::content, text, out);
  case mode::channel_name: return name_of_channel(text, out);
  case mode::thought: return thought_text(text, out);
  case mode::call_name: return name_of_call(text, out);
  case mode::arguments: return argument_text(text, out);
  case mode::turn_name:
    if (const auto end = text.find('\n'); end != std::string_view::npos) {
      mode_ = mode::content;
      emit(output_event::kind::content, text.substr(end + 1), out);
    }
    return;
  case mode::response: return;
  }
}

void output_reader::name_of_channel(std::string_view text, events& out) {
  held_ += text;
  const auto end = held_.find('\n');
  if (end == std::string::npos && held_.size() <= max_channel_name)
    return;
  mode_ = mode::thought;
  auto held = std::exchange(held_, {});
  if (end != std::string::npos && is_word(std::string_view{held}.substr(0, end)))
    held.erase(0, end + 1);
  thought_text(held, out);
}

// The last line break may belong to the end of the thought.
void output_reader::thought_text(std::string_view text, events& out) {
  if (text.empty())
    return;
  auto all = std::exchange(held_, {});
  all += text;
  if (all.back() == '\n') {
    held_.assign(1, '\n');
    all.pop_back();
  }
  emit(output_event::kind::thought, all, out);
}

void output_reader::name_of_call(std::string_view text, events& out) {
  held_ += text;
  const auto brace = held_.find('{');
  if (brace == std::string::npos && held_.size() <= max_call_name)
    return;
  const auto name = brace == std::string::npos
                        ? std::string_view{}
                        : called_name(std::string_view{held_}.substr(0, brace));
  if (name.empty())
    return leave_call_name(out);
  const auto rest = held_.substr(brace + 1);
  begin_call(std::string{name}, out);
  argument_text(rest, out);
}

// It is no call: its text is content.
void output_reader::leave_call_name(events& out) {
  mode_ = mode::content;
  emit(output_event::kind::content, std::exchange(held_, {}), out);
}

void output_reader::begin_call(std::string_view name, events& out) {
  ++calls_;
  emit(output_event::kind::call_begin, name, out);
  held_.clear();
  mode_ = mode::arguments;
  auto text = std::string{};
  arguments_.begin(text);
  emit(output_event::kind::call_arguments, text, out);
}

void output_reader::argument_text(std::string_view text, events& out) {
  auto json = std::string{};
  arguments_.append(text, json);
  emit(output_event::kind::call_arguments, json, out);
}

// ---- control tokens -----------------------------------------------------------------------------

void output_reader::flush(events& out) {
  auto rest = std::string{};
  repair_.flush(rest);
  if (!rest.empty())
    on_text(rest, out);
}

void output_reader::close(events& out) {
  switch (mode_) {
  case mode::channel_name:
    if (const auto held = std::exchange(held_, {}); !is_word(held))
      emit(output_event::kind::thought, held, out);
    break;
  case mode::thought: held_.clear(); break;
  case mode::call_name:
    if (const auto name = std::string{called_name(held_)}; !name.empty()) {
      begin_call(name, out);
      return close(out);
    }
    leave_call_name(out);
    break;
  case mode::arguments: {
    auto json = std::string{};
    arguments_.close(json);
    emit(output_event::kind::call_arguments, json, out);
    emit(output_event::kind::call_end, {}, out);
    break;
  }
  case mode::content:
  case mode::turn_name:
  case mode::response: break;
  }
  mode_ = mode::content;
}

void output_reader::on_tag(tag t, events& out) {
  if (mode_ == mode::response && t != tag::response_end && t != tag::turn_begin)
    return;
  switch (t) {
  case tag::channel_begin:
    if (in_thought())
      return;
    close(out);
    mode_ = mode::channel_name;
    return;
  case tag::channel_end:
    if (in_thought())
      close(out);
    return;
  case tag::call_begin:
    close(out);
    mode_ = mode::call_name;
    return;
  case tag::call_end:
    if (in_call())
      close(out);
    return;
  case tag::quote:
    if (mode_ != mode::arguments)
      return on_text("\"", out);
    {
      auto json = std::string{};
      arguments_.quote(json);
      emit(output_event::kind::call_arguments, json, out);
    }
    return;
  case tag::response_begin:
    close(out);
    mode_ = mode::response;
    return;
  case tag::response_end:
    if (mode_ == mode::response)
      mode_ = mode::content;
    return;
  case tag::turn_begin:
    close(out);
    mode_ = mode::turn_name;
    return;
  case tag::none:
  case tag::other:
  case tag::count: return;
  }
}

void output_reader::append(token_id token, std::vector<output_event>& out) {
  const auto part_now = [&] {
    return in_thought() ? output_part::thought
           : in_call()  ? output_part::call
                        : output_part::content;
  };
  const auto before = part_now();
  if (const auto t = tag_of(token); t != tag::none) {
    flush(out);
    on_tag(t, out);
  } else {
    auto bytes = std::string{};
    tokens_->append_bytes(token, special_tokens::keep, bytes);
    auto text = std::string{};
    repair_.append(bytes, text);
    if (!text.empty())
      on_text(text, out);
  }
  // A tag that begins or ends something is a part of it.
  part_ = before == output_part::content ? part_now() : before;
  if (part_ == output_part::thought)
    ++thought_tokens_;
}

void output_reader::append(std::span<const token_id> tokens, std::vector<output_event>& out) {
  for (const auto token : tokens)
    append(token, out);
}

void output_reader::finish(std::vector<output_event>& out) {
  flush(out);
  held_.clear(); // the begin of a tag that did not end
}

} // namespace larql::text
