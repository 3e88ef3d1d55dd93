// Opening the microphone, and why it did not open, as one word the page has a sentence for.

export class MicrophoneError extends Error {
  /** `reason`: insecure | unsupported | denied | missing | busy | unknown */
  constructor(reason, cause) {
    super(`microphone: ${reason}`, { cause });
    this.reason = reason;
  }
}

const REASONS = {
  NotAllowedError: 'denied',
  SecurityError: 'denied',
  NotFoundError: 'missing',
  OverconstrainedError: 'missing',
  NotReadableError: 'busy',
  AbortError: 'busy',
};

/** A stream with one audio track. Raises MicrophoneError. */
export async function openMicrophone() {
  if (!isSecureContext) throw new MicrophoneError('insecure');
  if (!navigator.mediaDevices?.getUserMedia) throw new MicrophoneError('unsupported');
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      video: false,
    });
  } catch (error) {
    throw new MicrophoneError(REASONS[error?.name] ?? 'unknown', error);
  }
}

export function closeStream(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
