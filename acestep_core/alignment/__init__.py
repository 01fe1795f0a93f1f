"""When each line of lyrics is sung: by the model's own attention, or by a CTC model that hears only the audio."""
