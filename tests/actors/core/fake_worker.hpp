// An actor that takes calls and answers them when and what the test says: a node's shard, or the
// laptop's link to a node.
//
// Owner     The test; the actor ends with end() or with the fake.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/core/state_actor.hpp"

#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

namespace larql::test {

template <class Handle, class Call, class Answer>
class fake_worker {
public:
  ~fake_worker() { end(); }

  /// Starts the actor.
  Handle spawn(caf::actor_system& sys, actors::description_ptr description = nullptr) {
    actor_ = actors::spawn_state<state>(sys, book_, std::move(description));
    return actor_;
  }
  [[nodiscard]] const Handle& actor() const { return actor_; }

  /// The calls so far, in order.
  [[nodiscard]] const std::vector<Call>& calls() const { return book_->calls; }

  // Answers to the i-th call; each takes effect when the system runs next.
  void answer(std::size_t i, Answer what) {
    act([what](auto& waiting) { waiting.deliver(what); }, i);
  }
  void fail(std::size_t i, caf::error why) {
    act([why](auto& waiting) { waiting.deliver(why); }, i);
  }

  /// What operators' requests are answered with; the request itself without it.
  void answer_admin(actors::admin_message_ptr m) { book_->admin_answer = std::move(m); }
  /// Operators' requests are not answered any more.
  void ignore_admin() { book_->ignores_admin = true; }

  void end(caf::exit_reason reason = caf::exit_reason::kill) {
    if (actor_)
      caf::anon_send_exit(actor_, reason);
    actor_ = nullptr;
  }

private:
  using promise = caf::typed_response_promise<Answer>;

  struct book {
    std::vector<Call> calls;
    std::vector<promise> promises;
    std::vector<std::function<void()>> orders;
    actors::admin_message_ptr admin_answer;
    bool ignores_admin = false;
    std::vector<caf::typed_response_promise<actors::admin_message_ptr>> unanswered;

    void obey() {
      for (auto& order : std::exchange(orders, {}))
        order();
    }
  };
  using book_ptr = std::shared_ptr<book>;

  class state {
  public:
    using handle = Handle;
    using pointer = typename handle::pointer;
    static constexpr const char* name = "fake-worker";

    state(pointer self, book_ptr book, actors::description_ptr description)
        : self_(self), book_(std::move(book)), description_(std::move(description)) {}

    typename handle::behavior_type make_behavior() {
      const auto run = [this](actors::run_atom, const Call& call) -> caf::result<Answer> {
        book_->calls.push_back(call);
        book_->promises.push_back(self_->template make_response_promise<Answer>());
        return book_->promises.back();
      };
      const auto describe = [this](actors::describe_atom) { return description_; };
      const auto status = [](actors::status_atom) { return actors::shard_status{}; };
      // The test's way into the actor, to which the promises belong.
      if constexpr (is_shard)
        return {run, describe, status, [this](actors::drain_atom) { book_->obey(); }};
      else
        return {
            run, describe, status, [this](actors::tick_atom) { book_->obey(); },
            [this](actors::admin_atom, const actors::admin_message_ptr& m) { return on_admin(m); }};
    }

  private:
    caf::result<actors::admin_message_ptr> on_admin(const actors::admin_message_ptr& m) {
      if (!book_->ignores_admin)
        return book_->admin_answer ? book_->admin_answer : m;
      book_->unanswered.push_back(
          self_->template make_response_promise<actors::admin_message_ptr>());
      return book_->unanswered.back();
    }

    pointer self_;
    book_ptr book_;
    actors::description_ptr description_;
  };

  static constexpr bool is_shard = std::is_same_v<Handle, actors::expert_shard_actor>;

  template <class F>
  void act(F order, std::size_t i) {
    book_->orders.push_back([order, i, book = book_.get()] { order(book->promises.at(i)); });
    if constexpr (is_shard)
      caf::anon_send(actor_, actors::drain_atom::value);
    else
      caf::anon_send(actor_, actors::tick_atom::value);
  }

  book_ptr book_ = std::make_shared<book>();
  Handle actor_;
};

/// A shard that computes nothing.
using fake_shard =
    fake_worker<actors::expert_shard_actor, actors::received_call, actors::encoded_frame>;
/// A link to a node that is not there.
using fake_link =
    fake_worker<actors::node_link_actor, actors::outgoing_call, actors::received_result>;

} // namespace larql::test
