// A shard that computes nothing: it keeps the calls that come and answers when and what the test
// says.
//
// Owner     The test; the actor ends with end() or with the fake.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/core/state_actor.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace larql::test {

using actors::payload;

class fake_shard {
public:
  struct call {
    std::uint64_t id;
    payload body;
  };

  ~fake_shard() { end(); }

  /// Starts the actor.
  actors::expert_shard_actor spawn(caf::actor_system& sys,
                                   actors::description_ptr description = nullptr) {
    actor_ = actors::spawn_state<state>(sys, book_, std::move(description));
    return actor_;
  }
  [[nodiscard]] const actors::expert_shard_actor& actor() const { return actor_; }

  /// The calls so far, in order.
  [[nodiscard]] const std::vector<call>& calls() const { return book_->calls; }

  // Answers to the i-th call; each takes effect when the system runs next.
  void answer(std::size_t i, payload what) {
    act([what](auto& waiting) { waiting.deliver(what); }, i);
  }
  void fail(std::size_t i, caf::error why) {
    act([why](auto& waiting) { waiting.deliver(why); }, i);
  }

  void end(caf::exit_reason reason = caf::exit_reason::kill) {
    if (actor_)
      caf::anon_send_exit(actor_, reason);
    actor_ = nullptr;
  }

private:
  using promise = caf::typed_response_promise<payload>;

  struct book {
    std::vector<call> calls;
    std::vector<promise> promises;
    std::vector<std::function<void()>> orders;
  };
  using book_ptr = std::shared_ptr<book>;

  class state {
  public:
    using handle = actors::expert_shard_actor;
    using pointer = handle::pointer;
    static constexpr const char* name = "fake-shard";

    state(pointer self, book_ptr book, actors::description_ptr description)
        : self_(self), book_(std::move(book)), description_(std::move(description)) {}

    handle::behavior_type make_behavior() {
      return {
          [this](actors::run_atom, std::uint64_t id, const payload& body) -> caf::result<payload> {
            book_->calls.push_back({id, body});
            book_->promises.push_back(self_->make_response_promise<payload>());
            return book_->promises.back();
          },
          [this](actors::describe_atom) { return description_; },
          [](actors::status_atom) { return actors::shard_status{}; },
          [this](actors::drain_atom) { // the test's way into the actor: promises belong to it
            for (auto& order : std::exchange(book_->orders, {}))
              order();
          },
          [](actors::tick_atom) {},
      };
    }

  private:
    pointer self_;
    book_ptr book_;
    actors::description_ptr description_;
  };

  template <class F>
  void act(F order, std::size_t i) {
    book_->orders.push_back([order, i, book = book_.get()] { order(book->promises.at(i)); });
    caf::anon_send(actor_, actors::drain_atom::value);
  }

  book_ptr book_ = std::make_shared<book>();
  actors::expert_shard_actor actor_;
};

} // namespace larql::test
