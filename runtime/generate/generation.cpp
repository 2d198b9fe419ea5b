#include "runtime/generate/generation.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::generate {

generation::generation(generation_options options, std::optional<text::utf8_stream> reader)
    : options_(std::move(options)),
      sampler_(options_.sampling),
      reader_(std::move(reader)),
      matcher_(options_.stop_texts) {
  check_limits();
}

bool generation::is_stop_token(std::uint32_t token) const noexcept {
  const auto& stops = options_.stop_tokens;
  return std::find(stops.begin(), stops.end(), token) != stops.end();
}

void generation::check_limits() noexcept {
  if (ended())
    return;
  if (count_ >= options_.max_tokens)
    reason_ = end_reason::max_tokens;
  else if (count_ >= room_)
    reason_ = end_reason::context_full;
}

void generation::set_room(std::size_t tokens) {
  room_ = tokens > ~std::size_t{0} - count_ ? ~std::size_t{0} : count_ + tokens;
  check_limits();
}

generation::step_result generation::step(std::span<const float> logits,
                                         std::span<const std::uint32_t> drafts,
                                         sampling_scratch& scratch) {
  LARQL_CHECK(!ended() && logits.size() % (drafts.size() + 1) == 0);
  const auto vocab = logits.size() / (drafts.size() + 1);
  auto out = step_result{};
  for (auto j = std::size_t{0}; j <= drafts.size() && !ended(); ++j) {
    const auto token = sampler_.choose(logits.subspan(j * vocab, vocab), index(), scratch);
    if (is_stop_token(token)) {
      reason_ = end_reason::stop_token;
      break;
    }
    sampler_.add(token);
    out.tokens.push_back(token);
    ++count_;
    if (reader_)
      out.text += matcher_.append(reader_->append(token));
    if (matcher_.matched())
      reason_ = end_reason::stop_text;
    check_limits();
    if (j < drafts.size() && drafts[j] != token)
      break;
  }
  return out;
}

void generation::stop() noexcept {
  if (!ended())
    reason_ = end_reason::stopped;
}

std::string generation::flush() {
  auto out = std::string{};
  if (reader_)
    out = matcher_.append(reader_->flush());
  return out + matcher_.flush();
}

} // namespace larql::generate
