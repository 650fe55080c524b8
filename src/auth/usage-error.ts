/** A method of the client that was called with something else than it takes: a mistake of the application, not of a request. */
export class UsageError extends TypeError {}
