// The elements of projects in every state, for the page of stories.

import '../elements/conversation_list.js';
import '../elements/portal_address.js';
import '../elements/portal_settings.js';
import '../elements/project_exports.js';
import '../elements/project_form.js';
import '../elements/project_list.js';
import '../elements/project_tags.js';
import '../elements/report_list.js';
import '../elements/webhook_list.js';
import { h } from '../js/dom.js';

const HOSTILE = `<img src=x onerror="window.hurt=1">${'x'.repeat(90)}`;
const AT = '2026-11-21T09:30:00Z';
const TAGS = [{ id: 'youth', text: 'youth' }, { id: 'hostile', text: HOSTILE }, { id: 'arabic', text: 'شباب' }];

const project = {
  id: 'a', name: 'Neighbourhood talks', language: 'nl', is_open: true, title: '', welcome_text: 'What should change here?', finish_text: '',
  ask_for_name: true, name_label: '', ask_for_email: false, key_terms: ['Overtoom', 'buurthuis'], redacts: true, report_enabled: true,
  notifications_enabled: false, retention_days: 0, organiser_name: 'The district', legal_basis: '', privacy_policy_url: '', logo_url: '',
  tags: TAGS, portal_url: 'http://localhost:8000/p/0f9e8d7c-1234-4abc-8def-0123456789ab', created_at: AT,
};

const conversation = (id, more) => ({
  id, title: null, participant_name: null, participant_email: null, tag_id_list: [], status: 'processing', created_at: AT,
  is_finished: false, is_all_chunks_transcribed: false, expected_chunks: null, chunks_received: 0, chunks_settled: 0, chunks_given_up: 0,
  is_anonymized: false, duration_s: 0, words: 0, level_dbfs: null, ...more,
});

const webhook = (id, health, more = {}) => ({
  id, project_id: 'a', name: 'Archive', url: 'https://example.org/hook?key=1', events: ['conversation.transcribed', 'report.generated'],
  status: health === 'off' ? 'draft' : 'published', health, message: null, ...more,
});

const delivery = (id, state, more = {}) => ({
  id, event: 'conversation.transcribed', state, attempts: 1, next_attempt_at: null, message: 'accepted (200)', created_at: AT, ...more,
});

const report = (id, state, more = {}) => ({
  id, state, progress: 0, conversations: 12, is_published: false, error: null, note: null, html_url: '#', pdf_url: '#', created_at: AT, ...more,
});

/** `story(name, element)` shows one. */
export function projectStories(story) {
  const told = (name, tag, tell) => {
    const element = h(tag, { story: true });
    story(name, element);
    tell(element);
  };
  told('project form', 'project-form', () => {});
  told('projects', 'project-list', (list) => {
    list.projects = [project, { ...project, id: 'b', name: HOSTILE, is_open: false, tags: [] }];
  });
  told('project portal', 'portal-address', (address) => address.show({ ...project, is_open: false }, '/favicon.svg'));
  told('conversations', 'conversation-list', (list) => {
    list.items = [
      conversation('a', { participant_name: 'Anna', tag_id_list: ['youth'], chunks_received: 3, chunks_settled: 2, duration_s: 62, words: 120, level_dbfs: -18 }),
      conversation('b', { is_finished: true, expected_chunks: 12, chunks_received: 3, chunks_settled: 1, chunks_given_up: 1, is_anonymized: true }),
      conversation('c', { status: 'completed', is_finished: true, is_all_chunks_transcribed: true, title: 'The crossing at the school', participant_email: `${'a'.repeat(60)}@example.org` }),
      conversation('d', { status: 'failed', participant_name: HOSTILE }),
    ];
  });
  told('conversations none', 'conversation-list', (list) => (list.items = []));
  told('project exports', 'project-exports', (links) => (links.project = 'story'));
  told('project settings', 'portal-settings', (settings) => settings.show(project));
  told('project tags', 'project-tags', (tags) => tags.show(project));
  told('webhooks', 'webhook-list', (list) => {
    list.hooks = [
      webhook('a', 'ok'), webhook('b', 'retrying', { name: HOSTILE, message: 'answered with an error (503)' }),
      webhook('c', 'off', { url: `https://example.org/${'x'.repeat(120)}` }), webhook('d', 'failing'), webhook('e', 'unknown'),
    ];
    list.querySelector('webhook-form').tell('Archive', `whsec_${'x'.repeat(64)}`);
  });
  told('deliveries', 'webhook-deliveries', (list) => {
    list.items = [delivery('a', 'waiting', { next_attempt_at: AT }), delivery('b', 'delivered', { event: 'webhook.test' }), delivery('c', 'failed', { attempts: 24, message: HOSTILE })];
  });
  told('reports', 'report-list', (list) => {
    list.reports = [
      report('a', 'working', { progress: 42.3 }), report('b', 'queued'), report('c', 'done', { is_published: true, note: '3 letters are missing in the PDF' }),
      report('d', 'failed', { error: HOSTILE }),
    ];
  });
}
