// Mirrors cli/serve/server/kept_answer.hpp and kept_answers.hpp, with the test in place of server,
// worker and model.

#include "cli/serve/server/kept_answers.hpp"

#include "cli/serve/page/page_writer.hpp"
#include "tests/cli/serve/fake_backend.hpp"
#include "tests/cli/serve/json_check.hpp"

namespace larql::serve {
namespace {

using namespace std::chrono_literals;
using next = actors::http_exchange::next;
using clock = kept_answer::clock;

constexpr auto id = "0123456789abcdef0123456789abcdef";
constexpr auto other_id = "ffffffffffffffffffffffffffffffff";

class KeptAnswer : public testing::Test {
protected:
  void start() {
    answers = std::make_unique<kept_answers>(limits);
    auto place = answers->open(id, "me");
    ASSERT_TRUE(place.answer && place.is_new);
    answer = std::move(place.answer);
  }
  /// What a worker does with a request that is admitted.
  test::fake_backend::started_ptr admit() {
    auto handle = backend.start({}, [to = answer](completion_event e) { to->push(std::move(e)); });
    EXPECT_TRUE(handle);
    answer->admit(std::make_unique<page_writer>(), *std::move(handle));
    return backend.wait_for(backend.count() - 1);
  }
  [[nodiscard]] std::unique_ptr<kept_exchange> reader(std::uint64_t offset = 0) {
    return std::make_unique<kept_exchange>(answer, offset, std::vector<actors::http_header>{},
                                           actors::http_waker{});
  }
  static std::string all_of(kept_exchange& from) {
    auto out = std::string{};
    for (auto n = next::more; n == next::more;)
      n = from.read(out);
    return out;
  }

  kept_limits limits;
  test::fake_backend backend;
  std::unique_ptr<kept_answers> answers;
  std::shared_ptr<kept_answer> answer;
};

TEST_F(KeptAnswer, IsReadOnWhereALostConnectionStopped) {
  start();
  auto first = reader();
  EXPECT_FALSE(first->reply());
  const auto model = admit();
  ASSERT_TRUE(first->reply());
  model->push(text_delta{0, "Hello "});
  const auto beginning = all_of(*first);
  EXPECT_EQ(beginning, "{\"text\":\"Hello \"}\n");
  first.reset();
  EXPECT_FALSE(model->cancelled);
  model->push(text_delta{0, "world"});
  auto second = reader(beginning.size());
  EXPECT_EQ(second->reply()->status, 200u);
  EXPECT_EQ(all_of(*second), "{\"text\":\"world\"}\n");
  auto from_the_middle = reader(9);
  ASSERT_TRUE(from_the_middle->reply());
  EXPECT_EQ(all_of(*from_the_middle), "Hello \"}\n{\"text\":\"world\"}\n");
}

TEST_F(KeptAnswer, EndsForEveryReaderAndCanBeReadAfterItsEnd) {
  start();
  auto a = reader(), b = reader();
  const auto model = admit();
  ASSERT_TRUE(a->reply() && b->reply());
  for (auto& e : test::plain_answer())
    model->push(e);
  auto out = std::string{};
  EXPECT_EQ(a->read(out), next::end);
  EXPECT_EQ(all_of(*b), out);
  EXPECT_TRUE(model->cancelled); // nothing is held for it any more
  auto late = reader(out.size() - 5);
  EXPECT_EQ(late->reply()->status, 200u);
  EXPECT_EQ(all_of(*late), out.substr(out.size() - 5));
}

TEST_F(KeptAnswer, GoesOnWithoutAReaderForAWhileOnly) {
  start();
  auto only = reader();
  const auto model = admit();
  answers->sweep(clock::now() + 1h); // somebody reads
  EXPECT_FALSE(model->cancelled);
  only.reset();
  answers->sweep(clock::now() + limits.linger - 1s);
  EXPECT_FALSE(model->cancelled);
  EXPECT_EQ(answers->find(id, "me"), answer);
  answers->sweep(clock::now() + limits.linger + 1s);
  EXPECT_TRUE(model->cancelled);
  EXPECT_EQ(answers->find(id, "me"), nullptr);
  model->push(text_delta{0, "nobody listens"}); // harmless
}

TEST_F(KeptAnswer, ThatIsStoppedIsCancelledAndEndsForItsReaders) {
  start();
  auto r = reader();
  const auto model = admit();
  ASSERT_TRUE(r->reply());
  model->push(text_delta{0, "Hel"});
  answer->drop();
  EXPECT_TRUE(model->cancelled);
  EXPECT_EQ(all_of(*r), "{\"text\":\"Hel\"}\n");
  auto out = std::string{};
  EXPECT_EQ(r->read(out), next::end);
}

TEST_F(KeptAnswer, ThatIsStoppedBeforeItsStartCancelsToo) {
  start();
  answer->drop();
  EXPECT_TRUE(answer->is_dropped());
  EXPECT_TRUE(admit()->cancelled);
  EXPECT_EQ(reader()->reply()->status, 404u);
}

TEST_F(KeptAnswer, ARefusalIsItsReply) {
  start();
  auto r = reader();
  auto error = api_error{error_kind::too_many, "the queue is full"};
  error.retry_after_seconds = 3;
  answer->refuse(error);
  const auto reply = r->reply();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 429u);
  EXPECT_EQ(test::json_of(reply->body)["error"]["message"], "the queue is full");
}

TEST_F(KeptAnswer, BytesThatAreNotKeptAreNotFound) {
  limits.log_bytes = 1000;
  start();
  const auto model = admit();
  auto early = reader();
  ASSERT_TRUE(early->reply());
  EXPECT_EQ(reader(1)->reply()->status, 404u); // not there yet
  for (auto i = 0; i < 200; ++i) {
    model->push(text_delta{0, "some text"});
    (void) answer->has(0);
  }
  EXPECT_EQ(reader(0)->reply()->status, 404u);
  auto out = std::string{};
  EXPECT_EQ(early->read(out), next::abort);
}

TEST_F(KeptAnswer, UnreadEventsPauseAndReadingResumes) {
  limits.max_unread_bytes = 10'000;
  start();
  const auto model = admit();
  auto r = reader();
  ASSERT_TRUE(r->reply());
  for (auto i = 0; i < 500 && !model->paused; ++i)
    model->push(text_delta{0, std::string(100, 'x')});
  EXPECT_TRUE(model->paused);
  (void) all_of(*r);
  EXPECT_FALSE(model->paused);
}

TEST_F(KeptAnswer, ReadersGetASignOfLifeWhileNothingComes) {
  start();
  (void) admit();
  auto r = reader();
  ASSERT_TRUE(r->reply());
  EXPECT_TRUE(r->tick(clock::now()));
  EXPECT_EQ(all_of(*r), "");
  EXPECT_TRUE(r->tick(clock::now() + 11s));
  EXPECT_EQ(all_of(*r), "\n");
}

TEST_F(KeptAnswer, ARequestThatComesTwiceIsOneAnswer) {
  start();
  const auto again = answers->open(id, "me");
  EXPECT_EQ(again.answer, answer);
  EXPECT_FALSE(again.is_new);
}

TEST_F(KeptAnswer, NobodyElseFindsIt) {
  start();
  EXPECT_EQ(answers->find(id, "you"), nullptr);
  EXPECT_EQ(answers->open(id, "you").answer, nullptr);
  EXPECT_FALSE(answers->open(id, "you").is_full);
  EXPECT_EQ(answers->find(other_id, "me"), nullptr);
}

TEST_F(KeptAnswer, OnlySoManyAreKeptAndEndedOnesMakeRoom) {
  limits.max_answers = 1;
  start();
  const auto full = answers->open(other_id, "me");
  EXPECT_TRUE(full.answer == nullptr && full.is_full);
  answer->refuse({error_kind::internal, "x"});
  answer.reset();
  EXPECT_TRUE(answers->open(other_id, "me").is_new);
  EXPECT_EQ(answers->size(), 1u);
}

TEST_F(KeptAnswer, AllAreCancelledWithTheirServer) {
  start();
  const auto model = admit();
  answers.reset();
  EXPECT_TRUE(model->cancelled);
}

} // namespace
} // namespace larql::serve
