// cli/quantizing.h - what quantize and up share: a run of the quantizer under a progress bar.
#pragma once

#include "compress/quantize.h"

namespace hearth::cli {

// Sets on_progress and quantizes.
Result<compress::Report> quantize_with_progress(compress::Options request);

}  // namespace hearth::cli
