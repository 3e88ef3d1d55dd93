// The elements of files in every state, for the page of stories.

import '../elements/job_list.js';
import '../elements/model_choice.js';
import { h } from '../js/dom.js';

const HOSTILE = `<img src=x onerror="window.hurt=1">${'x'.repeat(90)}`;
const AT = 1_795_426_200;

const model = (name, more = {}) => ({
  name, full_name: `openai/whisper-${name}`, is_downloaded: false, size_mb: 1620, description: 'about 100 languages; wants a GPU',
  languages: [], in_use: false, ...more,
});

const job = (id, more = {}) => ({
  job_id: id, status: 'processing', message: '', progress: 0, chunk_info: { current_chunk: 0, total_chunks: 0, chunk_progress: 0 },
  filename: 'Interview.mp4', model_name: 'base.en', created_at: AT, updated_at: AT, ...more,
});

const asked = {
  models: [{ id: 'extractive', name: 'Extractive' }, { id: 'a', name: `model-${'x'.repeat(60)}` }],
  summary: { summary: `- They want water.\n- ${HOSTILE}`, topics: ['water', HOSTILE], length: 9, model_used: 'extractive' },
  messages: [
    { role: 'user', content: `How many people? ${HOSTILE}` },
    { role: 'assistant', content: 'Twenty thousand.', model: 'extractive', quotes: [{ start: 18, end: 20, text: HOSTILE }, { start: null, text: 'so many' }] },
    { role: 'assistant', content: 'شكرا لكم', model: 'a-model', quotes: [] },
  ],
};

/** `story(name, element)` shows one; `segments()` are some that were said. */
export function fileStories(story, segments) {
  const told = (name, tag, tell) => {
    const element = h(tag, { story: true });
    story(name, element);
    tell(element);
  };
  told('model choice', 'model-choice', (choice) => {
    choice.show([model('base.en', { is_downloaded: true, in_use: true }), model('tiny', { is_downloaded: true }), model('large-v3'), model('x'.repeat(60))],
      { model: 'whisper-large-v3', state: 'pulling', progress: 41.5 });
    choice.querySelector('details').open = true;
  });
  told('jobs', 'job-list', (list) => {
    list.jobs = [
      job('a'), job('b', { progress: 42, chunk_info: { current_chunk: 3, total_chunks: 7, chunk_progress: 10 }, filename: HOSTILE }),
      job('c', { chunk_info: { current_chunk: 3, total_chunks: 0, chunk_progress: 10 }, filename: '' }),
      job('d', { status: 'completed', progress: 100 }), job('e', { status: 'cancelled' }), job('f', { status: 'failed', message: HOSTILE }),
    ];
  });
  told('jobs none', 'job-list', (list) => (list.jobs = []));
  told('job open', 'job-view', (view) => {
    view.models = [model('tiny')];
    view.story = { segments: segments(), asked };
    view.querySelector('button.again').click();
  });
}
