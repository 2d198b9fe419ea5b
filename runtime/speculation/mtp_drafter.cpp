#include "runtime/speculation/mtp_drafter.hpp"

#include "runtime/generate/logprobs.hpp"
#include "runtime/generate/sampler.hpp"

#include <cmath>

namespace larql::speculation {

class mtp_source::own_drafter final : public drafter {
public:
  explicit own_drafter(mtp_source& from) : from_(from) {}

  void propose(const drafted_text& text, std::size_t most, generate::draft_tree& out) override {
    out = {};
    const auto* read = text.read;
    if (read == nullptr || read->size() == 0 || read->size() + 1 != text.tokens.size() ||
        !read->cache().has_window(read->size()))
      return;
    const auto row = read->row_at(read->size() - 1);
    if (!row)
      return;
    from_.network_.begin(read->cache(), read->size(), *row);
    auto token = text.tokens.back();
    auto whole = 1.0f;
    while (out.size() < most) {
      const auto logits = from_.network_.step(token);
      if (!logits)
        return;
      token = generate::argmax(*logits);
      const auto chosen =
          generate::logprobs_of(*logits, token, 0, from_.compute_.k, from_.terms_).chosen;
      const auto chance = std::exp(chosen.logprob);
      whole *= chance;
      if (whole < from_.options_.least_chance)
        return;
      out.add(token, static_cast<std::int32_t>(out.size()) - 1, chance);
    }
  }

private:
  mtp_source& from_;
};

result<std::shared_ptr<mtp_source>> mtp_source::open(const gemma4::model& model,
                                                     kernels::compute compute, const options& o) {
  LARQL_TRY(auto config, vindex::read_drafter(model.dir, model.config));
  if (!config)
    return fail(errc::usage,
                "{}: has no drafter; `larql extract DRAFTER -o {}` adds one, of a GGUF file or a "
                "directory",
                model.dir.string(), model.dir.string());
  LARQL_TRY(auto weights, vindex::drafter_weights::open(model.dir, *config));
  return std::shared_ptr<mtp_source>{
      new mtp_source{model, *std::move(config), std::move(weights), compute, o}};
}

std::unique_ptr<drafter> mtp_source::begin(std::string_view) {
  return std::make_unique<own_drafter>(*this);
}

} // namespace larql::speculation
