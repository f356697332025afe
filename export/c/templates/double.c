            if (layer->patch > next - patch)
                append_positive(patch, layer->patch / 2, layer->zero);
