#include "cli/serve/server/kept_answers.hpp"

#include "cli/serve/server/replies.hpp"

#include <algorithm>

namespace larql::serve {

// The backend holds each that has not ended, so it has to be told.
kept_answers::~kept_answers() {
  for (const auto& [id, answer] : answers_)
    answer->drop();
}

// Ended answers that nobody reads go first; those that are under way never go for others.
bool kept_answers::make_room() {
  if (answers_.size() < limits_.max_answers)
    return true;
  const auto idle = std::find_if(answers_.begin(), answers_.end(), [](const auto& entry) {
    return entry.second->has_ended() && entry.second.use_count() == 1;
  });
  if (idle == answers_.end())
    return false;
  answers_.erase(idle);
  return true;
}

kept_answers::place kept_answers::open(const std::string& id, const std::string& client) {
  const auto lock = std::scoped_lock{mutex_};
  if (const auto found = answers_.find(id); found != answers_.end())
    return {found->second->client() == client ? found->second : nullptr, false, false};
  if (!make_room())
    return {nullptr, false, true};
  auto made = std::make_shared<kept_answer>(client, limits_);
  answers_.emplace(id, made);
  return {std::move(made), true, false};
}

std::shared_ptr<kept_answer> kept_answers::find(const std::string& id,
                                                std::string_view client) const {
  const auto lock = std::scoped_lock{mutex_};
  const auto found = answers_.find(id);
  return found != answers_.end() && found->second->client() == client ? found->second : nullptr;
}

void kept_answers::sweep(kept_answer::clock::time_point now) {
  auto gone = std::vector<std::shared_ptr<kept_answer>>{};
  {
    const auto lock = std::scoped_lock{mutex_};
    for (auto it = answers_.begin(); it != answers_.end();) {
      if (!it->second->is_abandoned(now)) {
        ++it;
        continue;
      }
      gone.push_back(std::move(it->second));
      it = answers_.erase(it);
    }
  }
  for (const auto& answer : gone)
    answer->drop();
}

std::size_t kept_answers::size() const {
  const auto lock = std::scoped_lock{mutex_};
  return answers_.size();
}

std::optional<actors::http_reply> kept_exchange::reply() {
  auto out = answer_->reply();
  if (!out)
    return out;
  if (out->is_stream && !answer_->has(offset_))
    out =
        error_reply(protocol::openai, {error_kind::not_found,
                                       fmt::format("byte {} of this answer is not kept", offset_)});
  out->headers.insert(out->headers.end(), headers_.begin(), headers_.end());
  return out;
}

} // namespace larql::serve
