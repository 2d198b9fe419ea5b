#include "runtime/speculation/model_drafter.hpp"

#include "runtime/generate/logprobs.hpp"
#include "runtime/generate/sampler.hpp"

#include <algorithm>
#include <cmath>

namespace larql::speculation {

class model_source::own_drafter final : public drafter {
public:
  own_drafter(model_source& from, std::unique_ptr<generate::sequence> s)
      : from_(from), sequence_(std::move(s)) {}

  void propose(const drafted_text& what, std::size_t most, generate::draft_tree& out) override {
    out = {};
    if (sequence_ != nullptr && !try_to(what.tokens, most, out))
      sequence_ = nullptr; // it would fail again
  }

private:
  [[nodiscard]] bool try_to(std::span<const std::uint32_t> text, std::size_t most,
                            generate::draft_tree& out);
  [[nodiscard]] bool read(std::span<const std::uint32_t> text);

  model_source& from_;
  std::unique_ptr<generate::sequence> sequence_; // null: it has failed
};

// Drafts that were wrong are forgotten. The last token is read in any case, for its row.
bool model_source::own_drafter::read(std::span<const std::uint32_t> text) {
  const auto have = sequence_->tokens();
  const auto common = static_cast<std::size_t>(
      std::mismatch(text.begin(), text.end(), have.begin(), have.end()).first - text.begin());
  sequence_->truncate(static_cast<std::uint32_t>(std::min(common, text.size() - 1)));
  const auto left = text.subspan(sequence_->size());
  const auto done = from_.run_->append(*sequence_, left.first(std::min(left.size(), read_at_once)));
  return static_cast<bool>(done);
}

bool model_source::own_drafter::try_to(std::span<const std::uint32_t> text, std::size_t most,
                                       generate::draft_tree& out) {
  const auto room = std::size_t{sequence_->max_context()};
  if (text.size() + most >= room)
    return true;
  if (!read(text))
    return false;
  if (sequence_->size() < text.size())
    return true; // the rest is read next time
  auto whole = 1.0f;
  while (out.size() < most) {
    const auto logits = from_.run_->last_logits(*sequence_);
    if (!logits)
      return false;
    const auto token = generate::argmax(*logits);
    const auto chosen =
        generate::logprobs_of(*logits, token, 0, from_.compute_.k, from_.terms_).chosen;
    const auto chance = std::exp(chosen.logprob);
    whole *= chance;
    if (whole < from_.options_.least_chance)
      return true;
    out.add(token, static_cast<std::int32_t>(out.size()) - 1, chance);
    if (out.size() < most && !from_.run_->append(*sequence_, {&token, 1}))
      return false;
  }
  return true;
}

result<std::shared_ptr<model_source>>
model_source::open(const std::filesystem::path& dir, kernels::compute compute, const options& o) {
  auto out = std::shared_ptr<model_source>{new model_source{compute, o}};
  LARQL_TRY(out->model_, gemma4::model::load(dir));
  const auto& c = out->model_.config;
  if (c.vocab != o.vocab)
    return fail(errc::usage, "{}: a vocabulary of {} tokens cannot draft for one of {}",
                dir.string(), c.vocab, o.vocab);
  LARQL_TRY(out->bank_,
            experts::expert_bank::open(dir, c, {{0, c.layers - 1}, {0, c.experts - 1}}));
  out->experts_ = std::make_unique<experts::local_experts>(compute, *out->bank_);
  LARQL_TRY(out->run_, generate::executor::create(out->model_, compute, *out->experts_, {}));
  return out;
}

std::unique_ptr<drafter> model_source::begin(std::string_view) {
  auto o = generate::sequence_options{};
  o.kv = options_.kv;
  o.max_context = options_.max_context;
  auto s = generate::sequence::create(model_, kv_, o);
  return std::make_unique<own_drafter>(*this, s ? *std::move(s) : nullptr);
}

} // namespace larql::speculation
