#include "cli/laptop/chat/conversation.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::cli {

using text::chat_role;

void conversation::clear() {
  turns_.clear();
  left_out_ = 0;
  cut_ = false;
}

void conversation::begin(std::string system) {
  clear();
  system_ = std::move(system);
}

bool conversation::is_answered() const noexcept {
  return !turns_.empty() && turns_.back().role == chat_role::model;
}

void conversation::ask(std::string words) {
  if (!turns_.empty() && !is_answered())
    turns_.pop_back();
  turns_.push_back({chat_role::user, std::move(words)});
  cut_ = false;
}

bool conversation::retry() {
  if (is_answered())
    turns_.pop_back();
  cut_ = false;
  left_out_ = std::min(left_out_, turns_.size() / 2 * 2); // what is asked is read
  return !turns_.empty();
}

std::optional<std::string> conversation::undo() {
  if (!retry())
    return std::nullopt;
  auto out = std::move(turns_.back().content);
  turns_.pop_back();
  return out;
}

void conversation::answer(std::string text, std::string thoughts, bool cut) {
  LARQL_CHECK(!turns_.empty() && !is_answered());
  if (text.empty() && thoughts.empty())
    return;
  auto said = text::chat_message{chat_role::model, std::move(text)};
  said.reasoning = std::move(thoughts);
  turns_.push_back(std::move(said));
  cut_ = cut;
}

void conversation::go_on(const std::string& text, const std::string& thoughts, bool cut) {
  LARQL_CHECK(is_answered());
  turns_.back().content += text;
  turns_.back().reasoning += thoughts;
  cut_ = cut;
}

std::vector<text::chat_message> conversation::to_read() const {
  auto out = std::vector<text::chat_message>{};
  if (!system_.empty())
    out.push_back({chat_role::system, system_});
  out.insert(out.end(), turns_.begin() + static_cast<std::ptrdiff_t>(left_out_), turns_.end());
  return out;
}

std::size_t conversation::removable_turns() const noexcept {
  const auto last = is_answered() ? 2u : 1u;
  const auto read = turns_.size() - left_out_;
  return read > last ? (read - last) / 2 : 0;
}

void conversation::leave_out(std::size_t turns) {
  LARQL_CHECK(turns <= removable_turns());
  left_out_ += 2 * turns;
}

bool operator==(const conversation& a, const conversation& b) {
  const auto same = [](const text::chat_message& x, const text::chat_message& y) {
    return x.role == y.role && x.content == y.content && x.reasoning == y.reasoning;
  };
  return a.system_ == b.system_ && a.left_out_ == b.left_out_ && a.cut_ == b.cut_ &&
         std::equal(a.turns_.begin(), a.turns_.end(), b.turns_.begin(), b.turns_.end(), same);
}

} // namespace larql::cli
