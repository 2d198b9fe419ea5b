// Mirrors actors/node/expert_shard.hpp. What it computes is injected; time stands still.

#include "actors/node/expert_shard.hpp"

#include "actors/core/errc.hpp"
#include "tests/actors/core/fake_worker.hpp"
#include "tests/support/deterministic_system.hpp"

#include <stdexcept>

namespace larql::actors {
namespace {

received_call call_of(std::string_view text) {
  auto out = received_call{};
  out.buffer = std::make_shared<std::vector<char>>(text.begin(), text.end());
  return out;
}
std::string text_in(const encoded_frame& f) {
  return {f.bytes->begin(), f.bytes->end()};
}

class ExpertShard : public test::deterministic_system {
protected:
  ExpertShard() {
    auto d = std::make_shared<schema::node_description>();
    d->node = "alpha";
    // Answers what it is asked, backwards; an empty call is a bad one.
    const auto compute = [this](const received_call& call, std::vector<char>) {
      ++computed;
      const auto& body = *call.buffer;
      if (std::string_view{body.data(), body.size()} == "fail")
        throw std::runtime_error("made to fail");
      return expert_shard_state::computed{{body.rbegin(), body.rend()}, !body.empty()};
    };
    shard = spawn_state<expert_shard_state>(sys, d, compute);
    settle();
  }
  ~ExpertShard() override {
    caf::anon_send_exit(shard, caf::exit_reason::user_shutdown);
    shard = nullptr;
    settle();
  }

  auto call(std::string_view text) {
    return ask<encoded_frame>(shard, run_atom::value, call_of(text));
  }
  shard_status status() { return ask<shard_status>(shard, status_atom::value)->value.value(); }

  expert_shard_actor shard;
  int computed = 0;
};

TEST_F(ExpertShard, AnswersWithTheFrameThatWasComputed) {
  const auto a = call("abc");
  ASSERT_TRUE(a->value);
  EXPECT_EQ(text_in(*a->value), "cba");
}

TEST_F(ExpertShard, CountsGoodAndBadCalls) {
  call("abc");
  call("");
  call("x");
  EXPECT_EQ(status().served, 3u);
  EXPECT_EQ(status().failed, 1u);
  EXPECT_EQ(status().waiting, 0u);
  EXPECT_FALSE(status().draining);
}

TEST_F(ExpertShard, ABadCallIsAnAnswerAndTheShardGoesOn) {
  EXPECT_TRUE(call("")->value);
  EXPECT_TRUE(call("abc")->value);
}

TEST_F(ExpertShard, DropsCallsThatWereAbandonedBeforeTheyBegan) {
  auto gone = std::make_shared<std::atomic<bool>>(false);
  auto work = call_of("abc");
  work.abandoned = gone;
  EXPECT_TRUE(ask<encoded_frame>(shard, run_atom::value, work)->value);
  gone->store(true);
  const auto a = ask<encoded_frame>(shard, run_atom::value, work);
  ASSERT_TRUE(a->error);
  EXPECT_EQ(code_of(*a->error), failure_code::link_lost);
  EXPECT_EQ(computed, 1);
}

TEST_F(ExpertShard, TakesNoCallsOnceItDrains) {
  caf::anon_send(shard, drain_atom::value);
  const auto a = call("abc");
  ASSERT_TRUE(a->error);
  EXPECT_EQ(code_of(*a->error), failure_code::draining);
  EXPECT_EQ(computed, 0);
  EXPECT_TRUE(status().draining);
  EXPECT_EQ(status().served, 0u);
}

TEST_F(ExpertShard, AnswersADrainBehindTheCallsBeforeIt) {
  auto order = std::vector<std::string>{};
  const auto expect = [&](const char* name) {
    return [&order, name](auto&&...) { order.push_back(name); };
  };
  sys.spawn([&](caf::event_based_actor* self) {
    const auto failed = [&](const caf::error&) { order.push_back("failed"); };
    self->request(shard, std::chrono::minutes{1}, run_atom::value, call_of("a"))
        .then([=](const encoded_frame& p) { expect("first")(p); }, failed);
    self->request(shard, std::chrono::minutes{1}, run_atom::value, call_of("b"))
        .then([=](const encoded_frame& p) { expect("second")(p); }, failed);
    self->request(shard, std::chrono::minutes{1}, drain_atom::value)
        .then([=] { expect("drained")(); }, failed);
    self->request(shard, std::chrono::minutes{1}, run_atom::value, call_of("c"))
        .then([=](const encoded_frame& p) { expect("third")(p); }, failed);
  });
  settle();
  EXPECT_EQ(order, (std::vector<std::string>{"first", "second", "drained", "failed"}));
}

TEST_F(ExpertShard, WhoeverAskedIsToldIfItFailsInTheMiddle) {
  const auto answer = call("fail");
  EXPECT_FALSE(answer->value);
  ASSERT_TRUE(answer->error);
  EXPECT_EQ(text_of(*answer->error), "made to fail");
}

class ExpertShardWithHelper : public ExpertShard {
protected:
  ExpertShardWithHelper() {
    const auto compute = [this](const received_call&, std::vector<char>) {
      ++computed;
      return expert_shard_state::computed{{'x'}, true};
    };
    front = spawn_state<expert_shard_state>(sys, description_ptr{}, compute, computing,
                                            helper.spawn(sys));
    settle();
  }
  ~ExpertShardWithHelper() override {
    caf::anon_send_exit(front, caf::exit_reason::user_shutdown);
    front = nullptr;
    helper.end();
    settle();
  }
  auto call_front(std::size_t bytes) {
    return ask<encoded_frame>(front, run_atom::value, call_of(std::string(bytes, 'a')));
  }

  std::shared_ptr<std::mutex> computing = std::make_shared<std::mutex>();
  test::fake_shard helper;
  expert_shard_actor front;
};

TEST_F(ExpertShardWithHelper, ComputesShortCallsItselfAndHandsLongOnesOn) {
  EXPECT_TRUE(call_front(expert_shard_state::short_call_bytes)->value);
  EXPECT_EQ(helper.calls().size(), 0u);
  EXPECT_TRUE(call_front(expert_shard_state::short_call_bytes + 1)->pending());
  EXPECT_EQ(helper.calls().size(), 1u);
  EXPECT_EQ(computed, 1);
}

TEST_F(ExpertShardWithHelper, HandsShortCallsOnWhileTheHelperComputes) {
  computing->lock();
  EXPECT_TRUE(call_front(1)->pending());
  EXPECT_EQ(helper.calls().size(), 1u);
  EXPECT_EQ(computed, 0);
  computing->unlock();
  EXPECT_TRUE(call_front(1)->value);
  EXPECT_EQ(helper.calls().size(), 1u);
}

TEST_F(ExpertShard, DescribesItself) {
  const auto described = ask<description_ptr>(shard, describe_atom::value);
  ASSERT_TRUE(described->value);
  EXPECT_EQ((*described->value)->node, "alpha");
}

} // namespace
} // namespace larql::actors
