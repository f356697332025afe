// node classify.mjs HOST REPOSITORY DTYPE CACHE PICTURE…: print label and logits of each picture as JSON.
import { AutoModel, AutoProcessor, RawImage, env } from "@huggingface/transformers";

const [host, repository, dtype, cache, ...pictures] = process.argv.slice(2);
env.remoteHost = host;
env.cacheDir = cache;
env.allowLocalModels = false;

const processor = await AutoProcessor.from_pretrained(repository);
const model = await AutoModel.from_pretrained(repository, { dtype });
const answers = [];
for (const picture of pictures) {
  const { logits } = await model(await processor(await RawImage.read(picture)));
  const values = Array.from(logits.data);
  answers.push({ label: model.config.id2label[values.indexOf(Math.max(...values))], logits: values });
}
console.log(JSON.stringify(answers));
