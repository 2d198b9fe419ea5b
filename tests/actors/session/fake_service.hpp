// A session service that computes nothing: a token follows from those before it, and comes when the
// test says so. Wherever an answer goes on, it goes on in the same way.
//
// Owner     The test; the actor ends with end() or with the fake.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/session/session_call.hpp"
#include "actors/session/status.hpp"

#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <vector>

namespace larql::test {

/// The token behind these.
inline std::uint32_t token_behind(std::span<const std::uint32_t> tokens) {
  const auto sum = std::accumulate(tokens.begin(), tokens.end(), std::uint64_t{7});
  return static_cast<std::uint32_t>(3 + (sum * 31 + tokens.size()) % 100);
}

class fake_service {
public:
  ~fake_service() { end(); }

  actors::session_actor spawn(caf::actor_system& sys) {
    actor_ = actors::spawn_state<state>(sys, book_);
    return actor_;
  }
  void end() {
    if (actor_)
      caf::anon_send_exit(actor_, caf::exit_reason::kill);
    actor_ = nullptr;
  }

  /// The next token of every answer that is neither paused nor ended.
  void give(std::size_t tokens = 1) {
    for (auto i = std::size_t{0}; i < tokens; ++i)
      for (auto& [id, r] : book_->requests)
        if (!book_->paused.contains(id))
          give_one(r);
  }
  /// So many tokens of every prompt have been read.
  void read(std::uint32_t tokens) {
    for (auto& [id, r] : book_->requests)
      r.call->on_event(actors::prompt_progress{
          tokens, 0, static_cast<std::uint32_t>(r.call->request.tokens.size())});
  }
  /// Requests are refused from now on.
  void refuse(actors::refusal why) { book_->refuses = std::move(why); }

  /// What was asked, in order.
  [[nodiscard]] const std::vector<std::vector<std::uint32_t>>& prompts() const {
    return book_->prompts;
  }
  [[nodiscard]] const std::vector<std::string>& clients() const { return book_->clients; }
  [[nodiscard]] const std::vector<std::string>& forgotten() const { return book_->forgotten; }
  [[nodiscard]] std::size_t paused() const { return book_->paused.size(); }
  [[nodiscard]] std::size_t running() const { return book_->requests.size(); }

private:
  struct request {
    actors::session_call_ptr call;
    std::vector<std::vector<std::uint32_t>> tokens; // of each answer, prompt included
    std::vector<bool> ended;
  };
  struct book {
    std::map<std::uint64_t, request> requests;
    std::set<std::uint64_t> paused;
    std::vector<std::vector<std::uint32_t>> prompts;
    std::vector<std::string> clients, forgotten;
    std::optional<actors::refusal> refuses;
    std::uint64_t next_id = 1;
  };

  static void end_answer(request& r, std::uint32_t i) {
    auto& g = r.call->request.answers[i];
    auto e = actors::answer_end{};
    e.choice = i;
    e.reason = g.reason();
    e.rest = g.finish();
    e.prompt_tokens = static_cast<std::uint32_t>(r.call->request.tokens.size());
    r.ended[i] = true;
    r.call->on_event(std::move(e));
  }
  static void give_one(request& r) {
    for (auto i = 0u; i < r.call->request.answers.size(); ++i) {
      auto& g = r.call->request.answers[i];
      if (r.ended[i])
        continue;
      if (!g.ended()) {
        const auto token = token_behind(r.tokens[i]);
        r.tokens[i].push_back(token);
        r.call->on_event(actors::answer_step{i, g.take(token)});
      }
      if (g.ended())
        end_answer(r, i);
    }
  }

  class state {
  public:
    using handle = actors::session_actor;
    static constexpr const char* name = "fake-service";

    state(handle::pointer, std::shared_ptr<book> b) : book_(std::move(b)) {}
    handle::behavior_type make_behavior() {
      using namespace actors;
      return {[](open_atom, const std::string&) { return session_reply_ptr{}; },
              [this](append_atom, const session_call_ptr& call) { return take(call); },
              [this](generate_atom, const session_call_ptr& call) { return take(call); },
              [this](cancel_atom, std::uint64_t id) { cancel(id); },
              [this](pause_atom, std::uint64_t id) { book_->paused.insert(id); },
              [this](resume_atom, std::uint64_t id) { book_->paused.erase(id); },
              [](close_atom, std::uint64_t) {},
              [this](forget_atom, const std::string& who) { book_->forgotten.push_back(who); },
              [](status_atom) { return std::make_shared<const session_status>(); },
              [](drain_atom, std::uint64_t) { return true; },
              [](ended_atom, std::uint64_t) {},
              [](tick_atom) {}};
    }

  private:
    actors::session_reply_ptr take(const actors::session_call_ptr& call) {
      if (book_->refuses)
        return std::make_shared<const actors::session_reply>(
            actors::session_reply{book_->refuses, 0});
      const auto id = book_->next_id++;
      const auto& asked = call->request;
      book_->prompts.push_back(asked.tokens);
      book_->clients.push_back(asked.client);
      book_->requests[id] = {call,
                             {asked.answers.size(), asked.tokens},
                             std::vector<bool>(asked.answers.size(), false)};
      return std::make_shared<const actors::session_reply>(actors::session_reply{std::nullopt, id});
    }
    void cancel(std::uint64_t id) {
      const auto found = book_->requests.find(id);
      if (found == book_->requests.end())
        return;
      auto r = std::move(found->second);
      book_->requests.erase(found);
      for (auto i = 0u; i < r.call->request.answers.size(); ++i)
        if (!r.ended[i]) {
          r.call->request.answers[i].stop();
          end_answer(r, i);
        }
    }

    std::shared_ptr<book> book_;
  };

  std::shared_ptr<book> book_ = std::make_shared<book>();
  actors::session_actor actor_;
};

} // namespace larql::test
